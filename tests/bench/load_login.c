#include "tests/bench/load_login.h"

#include <stdio.h>
#include <string.h>

#define SASL_NS "urn:ietf:params:xml:ns:xmpp-sasl"

void load_login_open_stream(struct client *c)
{
	struct load *l = c->load;
	c->state = CLIENT_FEATURES;
	client_printf(c,
		"<?xml version='1.0'?><stream:stream from='%s%zu@%s' to='%s' xmlns='jabber:client' "
		"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
		l->prefix, c->index, l->domain, l->domain);
}

/* The offset behind the first `text` in the input, or 0. */
static size_t after(const struct client *c, const char *text)
{
	const char *p = memmem(c->in.p, c->in.len, text, strlen(text));
	return p ? (size_t)(p - c->in.p) + strlen(text) : 0;
}

static enum login_step failed(struct client *c)
{
	size_t n = c->in.len < sizeof(c->why) - 1 ? c->in.len : sizeof(c->why) - 1;
	/* The end of what came tells most: a stream error stands last. */
	memcpy(c->why, c->in.p + c->in.len - n, n);
	c->why[n] = 0;
	return LOGIN_FAILED;
}

static void send_auth(struct client *c)
{
	char user[64], text[SASL_TEXT];
	snprintf(user, sizeof(user), "%s%zu", c->load->prefix, c->index);
	if (c->load->plain_sasl)
		load_plain(user, c->load->password, text);
	else
		load_scram_first(&c->scram, user, text);
	client_printf(c, "<auth xmlns='" SASL_NS "' mechanism='%s'>%s</auth>", c->load->plain_sasl ? "PLAIN" : "SCRAM-SHA-1", text);
	c->state = CLIENT_AUTH;
}

static enum login_step on_features(struct client *c)
{
	size_t end = after(c, "</stream:features>");
	if (!end)
		return after(c, "<stream:error") ? failed(c) : LOGIN_MORE;
	client_consume(c, end);
	if (c->load->tls == LOAD_STARTTLS && !c->ssl) {
		client_printf(c, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
		c->state = CLIENT_PROCEED;
	} else if (c->load->registering) {
		client_printf(c,
			"<iq type='set' id='reg'><query xmlns='jabber:iq:register'>"
			"<username>%s%zu</username><password>%s</password></query></iq>",
			c->load->prefix, c->index, c->load->password);
		c->state = CLIENT_REGISTER;
	} else if (!c->authenticated) {
		send_auth(c);
	} else {
		client_printf(c, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
				 "<resource>load</resource></bind></iq>");
		c->state = CLIENT_BIND;
	}
	return LOGIN_WENT_ON;
}

static enum login_step on_challenge(struct client *c)
{
	char text[SASL_TEXT];
	const char *end = memmem(c->in.p, c->in.len, "</challenge>", 12);
	size_t start = after(c, "<challenge"), offset = (size_t)(end - c->in.p);
	const char *body = memchr(c->in.p + start, '>', offset - start);
	struct load_key *key = &c->load->keys[c->index % c->load->key_count];
	if (!body || c->load->plain_sasl)
		return failed(c);
	body++;
	if (load_scram_final(&c->scram, key, c->load->password, body, (size_t)(end - body), text) != 0)
		return failed(c);
	client_consume(c, offset + 12);
	client_printf(c, "<response xmlns='" SASL_NS "'>%s</response>", text);
	return LOGIN_WENT_ON;
}

static enum login_step on_auth(struct client *c)
{
	size_t end = after(c, "<success");
	if (after(c, "</challenge>"))
		return on_challenge(c);
	if (after(c, "<failure") || after(c, "<stream:error"))
		return failed(c);
	/* <success/> or <success>verifier</success>: both end the way that no half of them does. */
	const char *close = end ? memchr(c->in.p + end, '>', c->in.len - end) : NULL;
	if (!close || (close[-1] != '/' && !after(c, "</success>")))
		return LOGIN_MORE;
	client_consume(c, c->in.len);
	c->authenticated = true;
	load_login_open_stream(c);
	return LOGIN_WENT_ON;
}

/* The end of the first <iq/>, which has children or none. */
static size_t iq_end(const struct client *c)
{
	size_t start = after(c, "<iq");
	const char *close = start ? memchr(c->in.p + start, '>', c->in.len - start) : NULL;
	if (!close)
		return 0;
	return close[-1] == '/' ? (size_t)(close - c->in.p) + 1 : after(c, "</iq>");
}

/* The answer to the registration: refusing a name that is taken is fine, it was made before. */
static enum login_step on_registered(struct client *c)
{
	size_t end = iq_end(c);
	if (!end)
		return after(c, "<stream:error") ? failed(c) : LOGIN_MORE;
	if (!after(c, "type='result'") && !after(c, "type=\"result\"") && !after(c, "<conflict"))
		return failed(c);
	client_consume(c, end);
	c->state = CLIENT_READY;
	c->load->on_ready(c);
	return LOGIN_WENT_ON;
}

static enum login_step on_bound(struct client *c)
{
	size_t end = iq_end(c);
	if (!end)
		return after(c, "<stream:error") ? failed(c) : LOGIN_MORE;
	size_t start = after(c, "<jid>"), stop = after(c, "</jid>");
	if (!start || stop < start + 6 || stop - start >= sizeof(c->jid))
		return failed(c);
	snprintf(c->jid, sizeof(c->jid), "%.*s", (int)(stop - start - 6), c->in.p + start);
	client_consume(c, end);
	client_printf(c, "%s<presence/>", c->load->sm ? LOAD_SM_ENABLE : "");
	c->state = CLIENT_READY;
	c->load->on_ready(c);
	return LOGIN_WENT_ON;
}

enum login_step load_login_step(struct client *c)
{
	switch (c->state) {
	case CLIENT_FEATURES:
		return on_features(c);
	case CLIENT_PROCEED:
		if (!after(c, "<proceed"))
			return after(c, "<failure") || after(c, "<stream:error") ? failed(c) : LOGIN_MORE;
		if (c->in.p[c->in.len - 1] != '>')
			return LOGIN_MORE;
		client_consume(c, c->in.len);
		return LOGIN_HANDSHAKE;
	case CLIENT_REGISTER:
		return on_registered(c);
	case CLIENT_AUTH:
		return on_auth(c);
	case CLIENT_BIND:
		return on_bound(c);
	default:
		return failed(c);
	}
}
