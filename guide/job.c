/*
 * job.c - how the promise in job.h is kept
 */
#include "guide/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"

int
job_read(struct job *job, int fd)
{
	struct stat st;
	size_t done = 0;

	if (fstat(fd, &st) == -1)
		return PB_ESYS;
	if (st.st_size < 0 || (size_t)st.st_size > JOB_BYTES_MAX)
		return PB_EFORMAT;
	job->len = (size_t)st.st_size;
	job->text = malloc(job->len + 1);
	if (job->text == NULL)
		return PB_ENOMEM;
	while (done < job->len) {
		ssize_t n = pread(fd, job->text + done, job->len - done, (off_t)done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? PB_EFORMAT : PB_ESYS;
		done += (size_t)n;
	}
	job->text[job->len] = '\0';
	for (size_t i = 0; i < job->len; i++)
		if (job->text[i] == '\n')
			job->text[i] = '\0';
	return 0;
}

const char *
job_next(const struct job *job, const char *key, const char *after)
{
	const char *end = job->text + job->len;
	const char *line = after == NULL ? job->text : after + strlen(after) + 1;
	size_t len = strlen(key);

	for (; line < end; line += strlen(line) + 1)
		if (strncmp(line, key, len) == 0 && line[len] == '=')
			return line + len + 1;
	return NULL;
}

const char *
job_get(const struct job *job, const char *key)
{
	const char *value = job_next(job, key, NULL);

	return value != NULL ? value : "";
}

long
job_number(const struct job *job, const char *key, long fallback)
{
	const char *value = job_next(job, key, NULL);

	return value != NULL ? strtol(value, NULL, 10) : fallback;
}

int
job_pick(const struct job *job, struct pick **out, const char **wrong)
{
	static const struct {
		const char *key;
		int (*add)(struct pick *pick, enum pick_by by, const char *pattern);
		enum pick_by by;
	} lists[] = {
		{ "include_group", pick_include, PICK_GROUP },
		{ "include_name", pick_include, PICK_NAME },
		{ "include_id", pick_include, PICK_ID },
		{ "exclude_group", pick_exclude, PICK_GROUP },
		{ "exclude_name", pick_exclude, PICK_NAME },
		{ "exclude_id", pick_exclude, PICK_ID },
	};
	int err = pick_new(out);

	for (size_t i = 0; i < NITEMS(lists) && err == 0; i++)
		for (const char *v = NULL; err == 0 && (v = job_next(job, lists[i].key, v)) != NULL;) {
			*wrong = v;
			err = lists[i].add(*out, lists[i].by, v);
		}
	for (const char *v = NULL; err == 0 && (v = job_next(job, "rename", v)) != NULL;) {
		*wrong = v;
		err = pick_rename(*out, v);
	}
	if (err != 0)
		pick_free(out);
	return err;
}

void
job_clear(struct job *job)
{
	free(job->text);
	memset(job, 0, sizeof(*job));
}
