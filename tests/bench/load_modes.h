/*
 * load_modes.h: what the load tool measures. Each mode prints one line `mode key=value ...` to stdout and returns 0, or says what went
 * wrong and returns 1.
 */
#ifndef TESTS_BENCH_LOAD_MODES_H
#define TESTS_BENCH_LOAD_MODES_H

#include <sys/types.h>

#include "tests/bench/load_client.h"

struct load_options {
	pid_t pid;          /* the server's, for its processor time and memory; 0: not measured */
	size_t users;       /* accounts, and sessions */
	size_t parallel;    /* logins under way at once */
	double rate;        /* logins or messages a second; 0: as fast as it goes */
	unsigned rounds;    /* login: how often all log in and out */
	unsigned seconds;   /* chat: how long is measured */
	unsigned warm_up;   /* chat: seconds before that */
	unsigned settle;    /* idle: seconds between the last login and the second look at the memory */
	unsigned in_flight; /* chat: messages under way for each user; ignored when a rate is given */
	size_t bytes;       /* chat: of a message stanza, about */
	size_t contacts;    /* befriend, presence: how many each has; users come in circles of one more */
	unsigned sm_asks;   /* chat: with stream management, after how many messages a client asks for acknowledgement; 0: never */
	bool marks;         /* say when the measured time begins and ends: see load_mark */
};

struct crowd;

/* With --marks: `mark WHAT` on stderr, so that who started us looks at the server then. With a crowd `mark WHAT?`: it is served, and all
 * else waits, until he has written a line to our stdin. */
void load_mark(const struct load_options *o, const char *what, struct crowd *cr);

int load_mode_register(struct load *load, const struct load_options *o);
/* Processor time per login (connect to presence) and per logout. */
int load_mode_login(struct load *load, const struct load_options *o);
/* Memory of a session that is available and does nothing. */
int load_mode_idle(struct load *load, const struct load_options *o);
/* Pairs that chat: processor time per message, latency, and messages lost, repeated and out of order. */
int load_mode_chat(struct load *load, const struct load_options *o);

/* Makes circles of accounts in which everybody is subscribed to everybody. */
int load_mode_befriend(struct load *load, const struct load_options *o);
/* Everybody changes its presence, again and again: processor time per presence delivered. */
int load_mode_presence(struct load *load, const struct load_options *o);

#endif
