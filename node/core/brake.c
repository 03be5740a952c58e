#include "node/core/brake.h"

#include <stdlib.h>

#include "node/core/rein.h"
#include "node/core/session.h"

struct pull {
	struct message message;
	uint64_t sid;
	bool on;
};

static void pull_here(struct node_worker *nw, uint64_t sid, bool on)
{
	struct session *s = on ? session_find(nw, sid) : NULL;
	if (s)
		session_hold(s);
	else if (!on)
		session_release(nw, sid);
}

static void on_pull(struct worker *w, struct message *m, bool cancelled)
{
	struct pull *p = (struct pull *)m;
	if (!cancelled)
		pull_here(nw_of(w), p->sid, p->on);
	free(p);
}

static void pull(struct node_worker *nw, const struct sender *s, bool on)
{
	if (!s->sid)
		return;
	if (s->worker == nw->worker) {
		pull_here(nw, s->sid, on);
		return;
	}
	struct pull *p = xmalloc(sizeof *p);
	*p = (struct pull){ .message.run = on_pull, .sid = s->sid, .on = on };
	worker_post(s->worker, &p->message);
}

void brake_on(struct node_worker *nw, const struct sender *s)
{
	if (s->sid && !s->worker)
		rein_on(nw, s, false);
	else
		pull(nw, s, true);
}

void brake_on_at_once(struct node_worker *nw, const struct sender *s)
{
	if (s->sid && !s->worker)
		rein_on(nw, s, true);
	else
		pull(nw, s, true);
}

void brake_off(struct node_worker *nw, const struct sender *s)
{
	if (s->sid && !s->worker)
		rein_off(nw, s);
	else
		pull(nw, s, false);
}
