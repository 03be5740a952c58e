/*
 * auth.c: SASL on a client's stream (RFC 6120 section 6): the elements around proto/sasl's state machines.
 *
 *   <auth/> -> sasl_feed -> challenge -> <response/> -> ... -> success | failure
 *   WANT_KEYS: the store is asked; WANT_DERIVE: a pool thread works. Meanwhile the stream is held; a client that goes away leaves the
 *   exchange to end by itself (c2s == NULL) and free itself.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "cluster/pool.h"
#include "node/core/account.h"
#include "node/core/log.h"
#include "node/net/tls.h"
#include "node/stream/c2s.h"
#include "proto/base/encode.h"
#include "proto/sasl/sasl.h"
#include "proto/xml/names.h"

#define ANONYMOUS_CHARS 16 /* 80 random bits of a localpart */

struct auth {
	struct c2s *c2s;         /* NULL: the client is gone */
	struct arena *arena;
	struct sasl *sasl;
	struct sasl_context ctx;
	enum sasl_mech mech;
	struct account_call *lookup; /* under way */
	struct job derive;
	bool deriving;
	bool disabled, note_login;   /* the account; by its last look */
	struct str reason;           /* why it is disabled */
};

/* ---- what is offered ---- */

static bool has_binding(const struct c2s *c, int cb)
{
	return c->conn->ssl && c->host->channel_binding && tls_has_binding(c->conn->ssl, (enum sasl_cb)cb);
}

static bool any_binding(const struct c2s *c)
{
	for (int i = 0; i < CB_COUNT; i++)
		if (has_binding(c, i))
			return true;
	return false;
}

/* Binding data of this connection, in the arena; absent where there is none. */
static void bindings_read(const struct c2s *c, struct arena *a, struct str out[CB_COUNT])
{
	for (int i = 0; i < CB_COUNT; i++) {
		uint8_t data[TLS_BINDING_MAX];
		size_t n = has_binding(c, i) ? tls_binding(c->conn->ssl, (enum sasl_cb)i, data) : 0;
		if (n)
			out[i] = arena_str(a, str_span((const char *)data, n));
	}
}

/* PLAIN only where nobody listens: on TLS, or on a listener that the operator made for plain text. */
static bool mech_is_offered(const struct c2s *c, enum sasl_mech m, bool bound)
{
	if (c->host->anonymous)
		return m == MECH_ANONYMOUS;
	enum sasl_hash hash;
	if (m == MECH_ANONYMOUS || (sasl_mech_hash(m, &hash) && hash > c->host->strongest_scram))
		return false;
	if (sasl_mech_is_plus(m))
		return bound;
	return m != MECH_PLAIN || c2s_is_secure(c) || c->plain_allowed;
}

void auth_features(struct c2s *c, struct arena *a, struct elem *features)
{
	bool bound = any_binding(c);
	struct elem *mechs = elem_add(a, features, NS_SASL, STR("mechanisms"));
	for (int m = MECH_NONE + 1; m < MECH_COUNT; m++)
		if (mech_is_offered(c, (enum sasl_mech)m, bound))
			elem_add_text(a, mechs, STR("mechanism"), sasl_mech_name((enum sasl_mech)m));
	if (!bound || c->host->anonymous)
		return;
	struct elem *cb = elem_add(a, features, NS_SASL_CB, STR("sasl-channel-binding")); /* XEP-0440 */
	for (int i = 0; i < CB_COUNT; i++)
		if (has_binding(c, i))
			elem_set(a, elem_add(a, cb, STR_NONE, STR("channel-binding")), STR("type"), sasl_cb_name((enum sasl_cb)i));
}

/* ---- an exchange ---- */

static void auth_free(struct auth *au)
{
	sasl_wipe(au->sasl);
	arena_free(au->arena);
	free(au);
}

void auth_drop(struct c2s *c)
{
	struct auth *au = c->auth;
	c->auth = NULL;
	if (!au)
		return;
	au->c2s = NULL;
	if (au->lookup)
		account_cancel(&au->lookup);
	if (!au->deriving)
		auth_free(au);
}

static void send_sasl(struct c2s *c, const char *name, struct str payload)
{
	struct arena *a = arena_new(512);
	struct elem *e = elem_new(a, NS_SASL, str_of(name));
	if (str_present(payload))
		elem_append_text(a, e, b64_encode(a, payload));
	c2s_send_elem(c, e);
	arena_free(a);
}

/* What clients show to the person beside their own words; absent when those suffice. It does not tell whether the account exists. */
static struct str failure_text(const struct c2s *c)
{
	if (c->sasl_error == SASL_NOT_AUTHORIZED)
		return STR("The user name or the password is wrong.");
	if (c->sasl_error == SASL_ACCOUNT_DISABLED && c->auth)
		return c->auth->reason;
	return STR_NONE;
}

static void fail_now(struct c2s *c)
{
	struct arena *a = arena_new(256);
	struct elem *failure = elem_new(a, NS_SASL, STR("failure"));
	elem_add(a, failure, STR_NONE, sasl_error_name((enum sasl_error)c->sasl_error));
	struct str text = failure_text(c);
	if (!str_empty(text))
		elem_add_text(a, failure, STR("text"), arena_str(a, text));
	auth_drop(c);
	c2s_send_elem(c, failure);
	arena_free(a);
	if (c->state == C2S_CLOSING)
		return;
	if (c->state == C2S_AUTH)
		c2s_enter(c, C2S_NEGOTIATE);
	if (++c->sasl_failures >= c->nw->node->settings.sasl_tries) {
		count_limit(c->nw, LIMIT_LOGIN_TRIES);
		c2s_close(c, STREAM_POLICY_VIOLATION, STR("too many failed logins"));
	}
}

/* Guessing is slowed down: the answer to a wrong password waits (core/limits.h), and the stream with it. */
static void fail(struct c2s *c, enum sasl_error e)
{
	char text[IP_TEXT_BYTES];
	struct str user = c->auth ? sasl_user(c->auth->sasl) : STR_NONE;
	LOG(LOG_INFO, "auth", "login failed", L_UINT("stream", c->number), L_STR("peer", conn_peer_text(c->conn, text)),
	    L_STR("host", c->host->name), L_STR("mechanism", c->auth ? sasl_mech_name(c->auth->mech) : STR_NONE), L_STR("user", user),
	    L_STR("error", sasl_error_name(e)));
	count_at(c->nw, METRIC_LOGIN_FAILURES_TOTAL, c->auth ? c->auth->mech : MECH_NONE, 1);
	uint64_t late_ms = 0;
	if (e == SASL_NOT_AUTHORIZED)
		late_ms = limits_login_failed(c->nw->node->limits, &c->conn->peer, user, c->host->name, c->nw->worker->now_ms);
	c->sasl_error = (uint8_t)e;
	if (!late_ms) {
		fail_now(c);
		return;
	}
	auth_drop(c);
	count_limit(c->nw, LIMIT_LOGIN_PACE);
	c2s_pause(c, late_ms, fail_now);
}

/* RFC 6120 section 6.3.8: who the client asks to be must be who it is. */
static bool may_act_as(const struct auth *au, const struct jid *bare)
{
	struct jid wanted;
	struct str authzid = sasl_authzid(au->sasl);
	if (!str_present(authzid) || str_empty(authzid))
		return true;
	return jid_parse(au->arena, authzid, &wanted) == ERR_NONE && jid_eq(&wanted, bare);
}

static void note_login(const struct c2s *c, const struct jid *bare)
{
	struct account_ask ask = { .store = c->host->store, .host = c->host->name, .user = jid_local(bare) };
	if (account_note_login(&ask) != ERR_NONE)
		LOG(LOG_DEBUG, "auth", "the time of a login was not kept", L_STR("jid", jid_str(bare)));
}

static void succeed(struct c2s *c, struct str data)
{
	struct auth *au = c->auth;
	struct jid bare;
	struct str user = sasl_user(au->sasl);
	if (au->mech == MECH_ANONYMOUS)
		user = rng_token(&c->nw->worker->rng, au->arena, ANONYMOUS_CHARS);
	if (jid_make(au->arena, user, c->host->name, STR_NONE, &bare) != ERR_NONE) {
		fail(c, SASL_NOT_AUTHORIZED);
		return;
	}
	if (!may_act_as(au, &bare)) {
		fail(c, SASL_INVALID_AUTHZID);
		return;
	}
	if (au->disabled) { /* not before: who does not know the password learns nothing (RFC 6120 section 6.5.1) */
		fail(c, SASL_ACCOUNT_DISABLED);
		return;
	}
	if (au->note_login)
		note_login(c, &bare);
	char text[IP_TEXT_BYTES];
	LOG(LOG_INFO, "auth", "logged in", L_UINT("stream", c->number), L_STR("jid", jid_str(&bare)),
	    L_STR("mechanism", sasl_mech_name(au->mech)), L_STR("peer", conn_peer_text(c->conn, text)));
	count_at(c->nw, METRIC_LOGINS_TOTAL, au->mech, 1);
	send_sasl(c, "success", data);
	if (c->state == C2S_AUTH)
		c2s_authenticated(c, &bare);
	auth_drop(c);
}

static void step(struct c2s *c, enum sasl_step s, struct str out, enum sasl_error e);

/* ---- waiting for the store and for the pool ---- */

static void on_keys(const struct account_answer *answer)
{
	struct auth *au = answer->arg;
	struct c2s *c = au->c2s;
	struct str out = STR_NONE;
	enum sasl_error error = SASL_ERROR_NONE;
	c2s_release(c);
	if (answer->err != ERR_NONE && answer->err != ERR_NOT_FOUND) {
		fail(c, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	const struct account *acc = answer->err == ERR_NONE ? answer->account : NULL;
	bool usable = acc && acc->has_keys;
	au->disabled = acc && acc->disabled;
	au->reason = arena_str(au->arena, au->disabled ? acc->reason : STR(""));
	au->note_login = acc && worker_wall_ms() - account_seen_ms(acc) >= ACCOUNT_LOGIN_EVERY_MS;
	enum sasl_step s = sasl_keys(au->sasl, usable ? &acc->keys : NULL, &out, &error);
	step(c, s, out, error);
}

static void want_keys(struct c2s *c)
{
	struct auth *au = c->auth;
	struct account_ask ask = {
		.store = c->host->store,
		.host = c->host->name,
		.user = sasl_user(au->sasl),
		.on_done = on_keys,
		.arg = au,
		.call = &au->lookup,
	};
	if (account_get(&ask) != ERR_NONE) {
		fail(c, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	c2s_hold(c);
}

static void derive_work(struct job *j)
{
	struct auth *au = (struct auth *)((char *)j - offsetof(struct auth, derive));
	sasl_derive(au->sasl);
}

static void derive_done(struct job *j, bool cancelled)
{
	struct auth *au = (struct auth *)((char *)j - offsetof(struct auth, derive));
	struct c2s *c = au->c2s;
	struct str out = STR_NONE;
	enum sasl_error error = SASL_TEMPORARY_AUTH_FAILURE;
	au->deriving = false;
	if (!c) {
		auth_free(au);
		return;
	}
	c2s_release(c);
	enum sasl_step s = cancelled ? SASL_REFUSED : sasl_derived(au->sasl, &out, &error);
	step(c, s, out, error);
}

static void want_derive(struct c2s *c)
{
	struct auth *au = c->auth;
	au->derive.work = derive_work;
	au->derive.on_done = derive_done;
	if (pool_submit(c->nw->worker, &au->derive) != ERR_NONE) {
		count_limit(c->nw, LIMIT_LOGIN_QUEUE);
		fail(c, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	au->deriving = true;
	c2s_hold(c);
}

static void step(struct c2s *c, enum sasl_step s, struct str out, enum sasl_error e)
{
	switch (s) {
	case SASL_CONTINUE:
		send_sasl(c, "challenge", out);
		break;
	case SASL_WANT_KEYS:
		want_keys(c);
		break;
	case SASL_WANT_DERIVE:
		want_derive(c);
		break;
	case SASL_DONE:
		succeed(c, out);
		break;
	case SASL_REFUSED:
		fail(c, e);
		break;
	}
}

/* ---- what the client sends ---- */

/* The decoded text of <auth/> or <response/>: absent when an <auth/> has none, empty for "=". */
static enum err message_read(struct auth *au, const struct elem *e, bool first, struct str *out)
{
	struct str text = str_trim(elem_text(au->arena, e));
	*out = STR_NONE;
	if (str_empty(text)) {
		if (!first)
			*out = STR("");
		return ERR_NONE;
	}
	if (str_is(text, "=")) {
		*out = STR("");
		return ERR_NONE;
	}
	return text.len > 2 * SASL_MESSAGE_MAX ? ERR_LIMIT : b64_decode(au->arena, text, out);
}

static void feed(struct c2s *c, const struct elem *e, bool first)
{
	struct auth *au = c->auth;
	struct str in, out = STR_NONE;
	enum sasl_error error = SASL_ERROR_NONE;
	if (message_read(au, e, first, &in) != ERR_NONE) {
		fail(c, SASL_INCORRECT_ENCODING);
		return;
	}
	enum sasl_step s = sasl_feed(au->sasl, in, &out, &error);
	if (str_present(in))
		OPENSSL_cleanse((char *)(uintptr_t)in.p, str_empty(in) ? 0 : in.len);
	step(c, s, out, error);
}

static void begin(struct c2s *c, const struct elem *e)
{
	enum sasl_mech mech = sasl_mech_from_name(elem_attr(e, "mechanism"));
	bool bound = any_binding(c);
	if (mech == MECH_NONE || !mech_is_offered(c, mech, bound)) {
		fail(c, mech == MECH_PLAIN && !c->host->anonymous ? SASL_ENCRYPTION_REQUIRED : SASL_INVALID_MECHANISM);
		return;
	}
	struct auth *au = xzalloc(sizeof *au);
	au->c2s = c;
	au->arena = arena_new(2048);
	au->mech = mech;
	au->ctx = (struct sasl_context){
		.plus_offered = bound,
		.host = c->host->name,
		.fake_secret = str_span((const char *)c->nw->node->secret, sizeof c->nw->node->secret),
		.default_iterations = c->host->scram_iterations,
		.rng = &c->nw->worker->rng,
	};
	if (sasl_mech_is_plus(mech)) /* no other mechanism looks at them */
		bindings_read(c, au->arena, au->ctx.cb_data);
	au->sasl = sasl_new(au->arena, mech, &au->ctx);
	c->auth = au;
	c2s_enter(c, C2S_AUTH);
	feed(c, e, true);
}

void auth_on_element(struct c2s *c, const struct elem *e)
{
	bool plain_wire = !c2s_is_secure(c) && !c2s_plain_is_fine(c);
	if (str_is(e->name, "auth")) {
		if (plain_wire)
			fail(c, SASL_ENCRYPTION_REQUIRED);
		else if (c->state == C2S_AUTH)
			fail(c, SASL_MALFORMED_REQUEST);
		else
			begin(c, e);
	} else if (str_is(e->name, "response") && c->state == C2S_AUTH) {
		feed(c, e, false);
	} else if (str_is(e->name, "abort") && c->state == C2S_AUTH) {
		fail(c, SASL_ABORTED);
	} else {
		fail(c, SASL_MALFORMED_REQUEST);
	}
}
