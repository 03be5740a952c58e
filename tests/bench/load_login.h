/*
 * load_login.h: the login conversation of a client, RFC 6120 sections 4 to 7, as a sequence of texts waited for and texts sent.
 */
#ifndef TESTS_BENCH_LOAD_LOGIN_H
#define TESTS_BENCH_LOAD_LOGIN_H

#include "tests/bench/load_client.h"

enum login_step { LOGIN_MORE, LOGIN_WENT_ON, LOGIN_HANDSHAKE, LOGIN_FAILED };

/* Sends a stream header and waits for the features. */
void load_login_open_stream(struct client *c);
/* One step with what is in c->in: LOGIN_MORE when it needs more bytes, LOGIN_HANDSHAKE when TLS is to start now. */
enum login_step load_login_step(struct client *c);

#endif
