/*
 * corpus.c: runs a fuzz target without libFuzzer over the files of the folders that it is given, in name order, so that seeds and
 * the inputs that once broke a parser are plain tests under every compiler and sanitizer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

/* A buffer of exactly the file's size, so that a sanitizer sees the first byte read past it. Returns 1 when run, 0 when no file. */
static int run_file(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");
	if (!f)
		return 0;
	if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
		fclose(f);
		return 0;
	}
	size_t size = (size_t)st.st_size;
	uint8_t *data = calloc(1, size ? size : 1);
	if (!data || fread(data, 1, size, f) != size) {
		fprintf(stderr, "cannot read %s\n", path);
		abort();
	}
	fclose(f);
	/* The name comes first: when the target crashes, it is the last line of the log. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

static int run_folder(const char *folder)
{
	struct dirent **names = NULL;
	int ran = 0;
	int n = scandir(folder, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		ran += run_file(path);
		free(names[i]);
	}
	free(names);
	return ran;
}

int main(int argc, char **argv)
{
	int ran = 0;
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	/* Nothing at all is everybody's first input. */
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		ran += run_folder(argv[i]);
	printf("%d inputs\n", ran);
	return 0;
}
