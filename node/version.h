/* version.h: what this build calls itself. */
#ifndef NODE_VERSION_H
#define NODE_VERSION_H

#define STARLING_VERSION "0.1.0"

#endif
