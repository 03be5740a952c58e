/*
 * relay.h: a command that concerns another node of the fleet: what is about one account runs at its home (COMMAND_HOME), what is about
 * everybody on all nodes, with their answers made one (COMMAND_EVERYWHERE).
 *
 *   main (a call) -> the account's worker: where is it at home? -> FLEET_CALL -> worker -> main there: the command -> FLEET_ANSWER -> main
 *
 * An answer has ANSWER_MS; a node that dies meanwhile does not answer. What is asked of one node and what it answers fits in a frame: a
 * longer question is none that anybody answers.
 */
#ifndef NODE_CTL_RELAY_H
#define NODE_CTL_RELAY_H

#include "node/core/fleet.h"
#include "node/ctl/command.h"

/* Main thread. True: the call will be run where it belongs, here too perhaps, by call->command->run; false: right here and now. */
bool relay_takes(struct call *c);
/* A question of a worker to another node: {command, args, options, by}; consumed. `then` on this worker, not before this returns. `code`
 * -1: no answer came. `answer` is yours: {code, text, data}. Whoever passes it on to another thread keeps no reference: two threads that
 * drop one each are not in order for one another (jansson counts without an acquire). */
typedef void relay_then(void *arg, int code, json_t *answer);
void relay_ask(struct node_worker *nw, uint32_t epoch, json_t *question, relay_then *then, void *arg);
/* FLEET_CALL, FLEET_ANSWER. */
void relay_record(struct node_worker *nw, uint32_t from, const struct frame_record *r);

/* A FLEET_CALL that its node did not take, or whose node is gone: no answer comes. */
void relay_lost(struct node_worker *nw, const struct frame_record *r);

/* A worker's thread: an account's removal at its home: the command "unregister" there. `then` is called on this worker: ERR_NONE,
 * ERR_NOT_FOUND, or ERR_UNAVAILABLE when it does not answer. */
void relay_remove(struct node_worker *nw, uint32_t home, const struct jid *bare, void (*then)(void *arg, enum err err), void *arg);

/* The node ends: what is under way is not waited for any longer. While it ends nothing is asked of others any more. */
void relay_give_up(struct node_worker *nw);

#endif
