/*
 * driver.c - runs a fuzz target over its kept corpus, with any compiler
 *
 * The main() of a fuzz target where there is no libFuzzer. Arguments are
 * files or folders; without one it is $top_srcdir/tests/fuzz/corpus/NAME,
 * where NAME is the program's own, as make check has it. Speaks TAP: one
 * line an argument. A target that finds something wrong aborts, so what
 * is said first is the plan, and a missing line is the failure.
 *
 * An input is given in a block of its own, exactly as long, so that a
 * sanitizer or valgrind sees a read past the end.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX ((off_t)16 << 20) /* an input that is larger is a mistake in the corpus */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int
run_file(const char *path)
{
	struct stat st;
	uint8_t *data;
	size_t len;
	FILE *f;

	f = fopen(path, "rb");
	if (f == NULL || fstat(fileno(f), &st) == -1 || !S_ISREG(st.st_mode) || st.st_size > INPUT_MAX) {
		fprintf(stderr, "# %s: %s\n", path, f == NULL ? strerror(errno) : "no input");
		if (f != NULL)
			fclose(f);
		return -1;
	}
	len = (size_t)st.st_size;
	data = malloc(len > 0 ? len : 1);
	if (data == NULL || fread(data, 1, len, f) != len) {
		fprintf(stderr, "# %s: can't be read\n", path);
		free(data);
		fclose(f);
		return -1;
	}
	fclose(f);
	fprintf(stderr, "# %s\n", path); /* the last one named is the one that broke it */
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	return 0;
}

static int
not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* How many inputs were run, -1 when one could not be. */
static int
run_path(const char *path)
{
	struct dirent **entries;
	char file[PATH_MAX];
	int n, ran = 0;

	n = scandir(path, &entries, not_hidden, alphasort);
	if (n == -1)
		return run_file(path) == 0 ? 1 : -1;
	for (int i = 0; i < n; i++) {
		int len = snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);

		if (ran >= 0 && (len < 0 || (size_t)len >= sizeof(file) || run_file(file) != 0))
			ran = -1;
		else if (ran >= 0)
			ran++;
		free(entries[i]);
	}
	free(entries);
	return ran;
}

static int
report(int number, const char *name, const char *path)
{
	int ran = run_path(path);

	/* An empty corpus proves nothing. */
	printf("%sok %d - fuzz %s: %d inputs\n", ran > 0 ? "" : "not ", number, name, ran > 0 ? ran : 0);
	fflush(stdout);
	return ran > 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
	const char *top = getenv("top_srcdir");
	char corpus[PATH_MAX];
	int failed = 0;

	printf("1..%d\n", argc > 1 ? argc - 1 : 1);
	fflush(stdout);
	if (argc < 2) {
		snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s", top != NULL ? top : ".", name);
		return report(1, name, corpus);
	}
	for (int i = 1; i < argc; i++)
		failed |= report(i, name, argv[i]);
	return failed;
}
