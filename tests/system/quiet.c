/*
 * quiet.c - so many silent frames like the first one of a file, to standard output
 *
 *	quiet CODEC FILE FRAMES
 *
 * CODEC is a name as es_name() has it. On standard error: bytes, samples and
 * rate of a frame. Exit status 1: none can be made.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/es.h"
#include "worker/silence.h"

int
main(int argc, char **argv)
{
	static uint8_t own[65536], out[SILENCE_FRAME_MAX];
	enum es_codec codec = ES_NONE;
	unsigned samples = 0, rate = 0;
	size_t len, n;
	FILE *f;

	if (argc != 4 || (f = fopen(argv[2], "rb")) == NULL)
		return 2;
	for (int i = ES_NONE; i < ES_CODECS; i++)
		if (strcmp(argv[1], es_name((enum es_codec)i)) == 0)
			codec = (enum es_codec)i;
	len = fread(own, 1, sizeof(own), f);
	fclose(f);
	n = silence_make(codec, own, len, out, &samples, &rate);
	if (n == 0)
		return 1;
	fprintf(stderr, "%zu %u %u\n", n, samples, rate);
	for (long i = strtol(argv[3], NULL, 10); i > 0; i--)
		if (fwrite(out, 1, n, stdout) != n)
			return 2;
	return 0;
}
