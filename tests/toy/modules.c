/* The list of features of a node for tests: all that are shipped, and the toy. */
#define EXTRA_MODULES(X) X(counter)
#include "node/modules.c"
