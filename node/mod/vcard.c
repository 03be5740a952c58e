/*
 * XEP-0054 vcard-temp: an account's card, which anybody may read. An account without a card and one that does not exist look the same.
 *
 * XEP-0153: with the option photo_hash every available presence of a client tells the hash of the photo in the account's card, whatever
 * the client knows about it; presence of an account that never had a card is left alone if it says nothing. The hash has a small space of
 * its own, so that a login does not read photos; the first session of an account is held for that look. When the photo changes, all its
 * sessions' presence is sent again.
 */
#include "node/api.h"

#include "proto/forms/avatar.h"
#include "proto/xml/names.h"

extern const struct module mod_vcard;
static const struct store_space cards = { "vcard", STORE_KV };
static const struct store_space photos = { "vcard-photo", STORE_KV }; /* the bytes of the hash; empty: a card without a photo */

struct host_part {
	uint32_t max_bytes;
	bool photo_hash;
};
enum known { UNKNOWN, LOADING, KNOWN };
struct user_part {
	uint8_t known; /* enum known */
	bool has_card, has_photo;
	uint8_t hash[AVATAR_HASH_BYTES];
};

static struct user_part *part_of(struct user *u)
{
	return user_slot(u, &mod_vcard);
}

/* ---- reading ---- */

static void on_read(struct store_op *op)
{
	struct iq *iq = op->arg;
	struct elem *root, *card;
	struct stanza *reply = NULL;
	enum err err = op->err;
	if (!err) {
		reply = iq_result(iq, &root);
		card = stored_read(iq->nw, reply->arena, op->first->value, "vcard");
		if (card) {
			elem_append(reply->arena, root, card);
		} else {
			stanza_unref(reply);
			reply = NULL;
			err = ERR_IO;
		}
	}
	iq_finish(iq, reply, stored_error(err), STR_NONE);
}

static int on_get(struct iq *iq)
{
	struct store_op *op = store_op_new(iq->host->name, jid_local(&iq->user->jid), on_read, NULL);
	store_kv_get(op, &cards);
	struct iq *held = op->arg = iq_hold(iq);
	if (store_submit(iq->host->store, op) != ERR_NONE)
		iq_finish(held, NULL, STANZA_RESOURCE_CONSTRAINT, STR_NONE);
	return HOLD;
}

/* ---- writing ---- */

/* Sends the presence of all its sessions again, as if the clients had: amend puts the new hash in. */
static void announce(struct user *u)
{
	struct session *next;
	for (struct session *s = u->sessions; s; s = next) {
		next = s->next;
		if (!session_is_available(s))
			continue;
		struct arena *a = arena_new(1024);
		struct elem *root = elem_copy(a, s->presence->root);
		struct stanza *st = stanza_new(&a, root, &s->jid, NULL);
		router_sent(s, st);
	}
}

struct setting {
	struct iq *iq;
	bool has_photo;
	uint8_t hash[AVATAR_HASH_BYTES];
};

static void on_set_done(struct store_op *op)
{
	const struct setting *set = op->arg;
	struct iq *iq = set->iq;
	struct user *u = user_hold(iq->nw, iq->host, &iq->user->jid);
	struct user_part *p = part_of(u);
	const struct host_part *h = host_slot(iq->host, &mod_vcard);
	enum err err = op->err;
	struct elem *root;
	bool changed = !err && h->photo_hash &&
		       (p->known != KNOWN || p->has_photo != set->has_photo || memcmp(p->hash, set->hash, sizeof p->hash) != 0);
	if (!err) {
		p->known = KNOWN;
		p->has_card = true;
		p->has_photo = set->has_photo;
		memcpy(p->hash, set->hash, sizeof p->hash);
	}
	iq_finish(iq, err ? NULL : iq_result(iq, &root), stored_error(err), STR_NONE);
	if (changed)
		announce(u);
	user_release(u);
}

static int on_set(struct iq *iq)
{
	const struct host_part *h = host_slot(iq->host, &mod_vcard);
	struct str card;
	struct store_op *op = store_op_new(iq->host->name, jid_local(&iq->user->jid), on_set_done, NULL);
	struct setting *set = op->arg = arena_zalloc(op->arena, sizeof *set);
	if (stored_write(op->arena, iq->payload, h->max_bytes, &card) != ERR_NONE) {
		store_op_cancel(&op);
		count_limit(iq->nw, LIMIT_VCARD);
		return -STANZA_POLICY_VIOLATION;
	}
	set->has_photo = avatar_hash(op->arena, iq->payload, set->hash) == ERR_NONE;
	stored_if_account(op, iq->host);
	store_kv_put(op, &cards, card);
	store_kv_put(op, &photos, str_span((const char *)set->hash, set->has_photo ? sizeof set->hash : 0));
	struct iq *held = set->iq = iq_hold(iq);
	if (store_submit(iq->host->store, op) != ERR_NONE)
		iq_finish(held, NULL, STANZA_RESOURCE_CONSTRAINT, STR_NONE);
	return HOLD;
}

static int on_set_other(struct iq *iq)
{
	return -STANZA_FORBIDDEN;
}

/* ---- the hash in presence ---- */

struct loading {
	struct user *user;
	uint64_t sid; /* the session that waits */
};

static void on_loaded(struct store_op *op)
{
	const struct loading *l = op->arg;
	struct user *u = l->user;
	struct user_part *p = part_of(u);
	bool answered = op->err == ERR_NONE || op->err == ERR_NOT_FOUND;
	if (p->known == LOADING) { /* else the card was set meanwhile */
		p->known = answered ? KNOWN : UNKNOWN;
		p->has_card = op->err == ERR_NONE;
		p->has_photo = p->has_card && op->first->value.len == sizeof p->hash;
		if (p->has_photo)
			memcpy(p->hash, op->first->value.p, sizeof p->hash);
	}
	session_release(u->nw, l->sid);
	user_release(u);
}

static void session_bound(struct session *s)
{
	struct user *u = s->user;
	const struct host_part *h = host_slot(u->host, &mod_vcard);
	struct user_part *p = part_of(u);
	if (!h->photo_hash || p->known != UNKNOWN)
		return;
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_loaded, NULL);
	struct loading *l = op->arg = arena_zalloc(op->arena, sizeof *l);
	l->user = u;
	l->sid = s->sid;
	store_kv_get(op, &photos);
	if (store_submit(u->host->store, op) != ERR_NONE)
		return;
	p->known = LOADING;
	u->holds++;
	session_hold(s);
}

static void amend(struct session *s, struct stanza *st)
{
	const struct host_part *h = host_slot(s->user->host, &mod_vcard);
	const struct user_part *p = part_of(s->user);
	if (st->kind != STANZA_PRESENCE || st->type != TYPE_AVAILABLE || !h->photo_hash || p->known != KNOWN)
		return;
	if (p->has_card || elem_child(st->root, NS_VCARD_UPDATE, "x"))
		st->root = avatar_put(st->arena, st->root, p->has_photo ? p->hash : NULL);
}

/* ---- moving accounts ---- */

static void put_card(struct pie_put *p, const struct store_row *rows, uint32_t n)
{
	struct elem *card = pie_read(p, rows->value);
	if (card)
		elem_append(p->arena, p->user, card);
}

static void take_card(struct pie_take *t, const struct elem *user)
{
	uint8_t hash[AVATAR_HASH_BYTES];
	struct str text;
	const struct elem *card = elem_child(user, NS_VCARD, "vCard");
	if (!pie_write(t, card, "vCard", &text))
		return;
	bool has_photo = avatar_hash(t->arena, card, hash) == ERR_NONE;
	store_kv_put(pie_op(t), &cards, text);
	store_kv_put(pie_op(t), &photos, str_span((const char *)hash, has_photo ? sizeof hash : 0));
	pie_taken(t, "vCards");
}

static const struct pie_part parts[] = {
	{ &cards, put_card, { { &NS_VCARD, "vCard" } }, take_card },
};

/* ---- the module ---- */

static const struct option options[] = {
	{ .name = "max_bytes", .kind = OPTION_SIZE, .default_text = "128 KiB", .min = 1024, .max = 1 << 20, .per_host = true,
	  .doc = "Longest card; longer ones are refused with policy-violation." },
	{ .name = "photo_hash", .kind = OPTION_BOOL, .default_text = "true", .per_host = true,
	  .doc = "Tell the hash of the card's photo in all available presence (XEP-0153)." },
};

static void host_reload(struct host *h)
{
	struct host_part *p = host_slot(h, &mod_vcard);
	p->max_bytes = (uint32_t)module_int(h, &mod_vcard, "max_bytes");
	p->photo_hash = module_bool(h, &mod_vcard, "photo_hash");
}

static enum err host_start(struct host *h, struct buf *why)
{
	host_reload(h);
	return ERR_NONE;
}

static const struct iq_route iqs[] = {
	{ IQ_ACCOUNT, TYPE_GET, &NS_VCARD, "vCard", on_get },
	{ IQ_OWN, TYPE_SET, &NS_VCARD, "vCard", on_set },
	{ IQ_OTHER, TYPE_SET, &NS_VCARD, "vCard", on_set_other },
};
static const char *const features[] = { "vcard-temp", NULL };

const struct module mod_vcard = {
	.name = "vcard",
	.xep = "XEP-0054",
	.version = "1.3.0",
	.doc = "Keeps a card for each account, and tells the hash of its photo (XEP-0153).",
	.features = features,
	.account_features = features,
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.iqs = iqs,
	.n_iqs = sizeof iqs / sizeof *iqs,
	.hooks = { .session_bound = session_bound, .amend = amend },
	.parts = parts,
	.n_parts = 1,
	.host_slot = sizeof(struct host_part),
	.user_slot = sizeof(struct user_part),
	.host_start = host_start,
	.host_reload = host_reload,
};
