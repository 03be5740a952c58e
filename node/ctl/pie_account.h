/*
 * pie_account.h: the account itself in a file of XEP-0227: its name, its SCRAM keys (section 4.3), its times.
 *
 * What the XEP has no words for is in an element of our own, <account xmlns='urn:starling:account:0' created='' changed='' login=''
 * disabled='reason'/>, which other servers pass over.
 */
#ifndef NODE_CTL_PIE_ACCOUNT_H
#define NODE_CTL_PIE_ACCOUNT_H

#include "node/core/account.h"
#include "proto/xml/elem.h"

extern const struct str NS_STARLING_ACCOUNT;

/* Appends children of <user/>. */
void pie_account_put(struct arena *a, struct elem *user, const struct account *account);
/* What <user/> says; *password is absent unless it has one in the clear. Keys that cannot be used are left out, and *why (a literal, else
 * NULL) says so. An account may come out that has neither keys nor a password. */
void pie_account_take(struct arena *a, const struct elem *user, int64_t now_ms, struct account *out, struct str *password,
		      const char **why);

#endif
