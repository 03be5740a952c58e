/*
 * api.h: all that a feature under node/mod may see of the node.
 *
 * A feature is a const struct module (core/module.h) plus handlers. It meets others only through hooks, the router, the store and
 * disco. Read core/module.h first, then core/session.h and core/router.h; store/store.h for what lasts.
 */
#ifndef NODE_API_H
#define NODE_API_H

#include "node/core/account.h"
#include "node/core/adhoc.h"
#include "node/core/birth.h"
#include "node/core/brake.h"
#include "node/core/config.h"
#include "node/core/crowd.h"
#include "node/core/disco.h"
#include "node/core/early.h"
#include "node/core/hooks.h"
#include "node/core/host.h"
#include "node/core/last_record.h"
#include "node/core/log.h"
#include "node/core/module.h"
#include "node/core/node.h"
#include "node/core/pie.h"
#include "node/core/removal.h"
#include "node/core/roster_record.h"
#include "node/core/router.h"
#include "node/core/service.h"
#include "node/core/session.h"
#include "node/core/settings.h"
#include "node/core/sm_session.h"
#include "node/core/stored.h"
#include "node/core/tie.h"
#include "node/ctl/accord.h"
#include "node/ctl/command.h"
#include "node/ctl/kept.h"
#include "node/ctl/order.h"
#include "node/store/store.h"
#include "node/version.h"

#endif
