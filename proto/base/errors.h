/*
 * errors.h: protocol refusals. Three tables: stanza errors (RFC 6120 section 8.3.3), stream errors (RFC 6120 section 4.9.3) and SASL errors
 * (RFC 6120 section 6.5). A handler returns the enum; the writer of the reply finds name, type and text here.
 */
#ifndef PROTO_BASE_ERRORS_H
#define PROTO_BASE_ERRORS_H

#include "proto/base/str.h"

/* X(enumerator, element name, default error type) */
#define STANZA_ERRORS(X)                                               \
	X(BAD_REQUEST, "bad-request", "modify")                        \
	X(CONFLICT, "conflict", "cancel")                              \
	X(FEATURE_NOT_IMPLEMENTED, "feature-not-implemented", "cancel") \
	X(FORBIDDEN, "forbidden", "auth")                              \
	X(GONE, "gone", "cancel")                                      \
	X(INTERNAL_SERVER_ERROR, "internal-server-error", "cancel")    \
	X(ITEM_NOT_FOUND, "item-not-found", "cancel")                  \
	X(JID_MALFORMED, "jid-malformed", "modify")                    \
	X(NOT_ACCEPTABLE, "not-acceptable", "modify")                  \
	X(NOT_ALLOWED, "not-allowed", "cancel")                        \
	X(NOT_AUTHORIZED, "not-authorized", "auth")                    \
	X(POLICY_VIOLATION, "policy-violation", "modify")              \
	X(RECIPIENT_UNAVAILABLE, "recipient-unavailable", "wait")      \
	X(REDIRECT, "redirect", "modify")                              \
	X(REGISTRATION_REQUIRED, "registration-required", "auth")      \
	X(REMOTE_SERVER_NOT_FOUND, "remote-server-not-found", "cancel") \
	X(REMOTE_SERVER_TIMEOUT, "remote-server-timeout", "wait")      \
	X(RESOURCE_CONSTRAINT, "resource-constraint", "wait")          \
	X(SERVICE_UNAVAILABLE, "service-unavailable", "cancel")        \
	X(SUBSCRIPTION_REQUIRED, "subscription-required", "auth")      \
	X(UNDEFINED_CONDITION, "undefined-condition", "cancel")        \
	X(UNEXPECTED_REQUEST, "unexpected-request", "wait")

#define STREAM_ERRORS(X)                                               \
	X(BAD_FORMAT, "bad-format")                                    \
	X(BAD_NAMESPACE_PREFIX, "bad-namespace-prefix")                \
	X(CONFLICT, "conflict")                                        \
	X(CONNECTION_TIMEOUT, "connection-timeout")                    \
	X(HOST_GONE, "host-gone")                                      \
	X(HOST_UNKNOWN, "host-unknown")                                \
	X(IMPROPER_ADDRESSING, "improper-addressing")                  \
	X(INTERNAL_SERVER_ERROR, "internal-server-error")              \
	X(INVALID_FROM, "invalid-from")                                \
	X(INVALID_NAMESPACE, "invalid-namespace")                      \
	X(INVALID_XML, "invalid-xml")                                  \
	X(NOT_AUTHORIZED, "not-authorized")                            \
	X(NOT_WELL_FORMED, "not-well-formed")                          \
	X(POLICY_VIOLATION, "policy-violation")                        \
	X(REMOTE_CONNECTION_FAILED, "remote-connection-failed")        \
	X(RESET, "reset")                                              \
	X(RESOURCE_CONSTRAINT, "resource-constraint")                  \
	X(RESTRICTED_XML, "restricted-xml")                            \
	X(SEE_OTHER_HOST, "see-other-host")                            \
	X(SYSTEM_SHUTDOWN, "system-shutdown")                          \
	X(UNDEFINED_CONDITION, "undefined-condition")                  \
	X(UNSUPPORTED_ENCODING, "unsupported-encoding")                \
	X(UNSUPPORTED_FEATURE, "unsupported-feature")                  \
	X(UNSUPPORTED_STANZA_TYPE, "unsupported-stanza-type")          \
	X(UNSUPPORTED_VERSION, "unsupported-version")

#define SASL_ERRORS(X)                                       \
	X(ABORTED, "aborted")                                \
	X(ACCOUNT_DISABLED, "account-disabled")              \
	X(CREDENTIALS_EXPIRED, "credentials-expired")        \
	X(ENCRYPTION_REQUIRED, "encryption-required")        \
	X(INCORRECT_ENCODING, "incorrect-encoding")          \
	X(INVALID_AUTHZID, "invalid-authzid")                \
	X(INVALID_MECHANISM, "invalid-mechanism")            \
	X(MALFORMED_REQUEST, "malformed-request")            \
	X(MECHANISM_TOO_WEAK, "mechanism-too-weak")          \
	X(NOT_AUTHORIZED, "not-authorized")                  \
	X(TEMPORARY_AUTH_FAILURE, "temporary-auth-failure")

#define X3(e, name, type) STANZA_##e,
enum stanza_error { STANZA_ERROR_NONE = 0, STANZA_ERRORS(X3) STANZA_ERROR_COUNT };
#undef X3
#define X2(e, name) STREAM_##e,
enum stream_error { STREAM_ERROR_NONE = 0, STREAM_ERRORS(X2) STREAM_ERROR_COUNT };
#undef X2
#define X2(e, name) SASL_##e,
enum sasl_error { SASL_ERROR_NONE = 0, SASL_ERRORS(X2) SASL_ERROR_COUNT };
#undef X2

/* Element names; "undefined-condition" (or "not-authorized") for a value out of range. */
struct str stanza_error_name(enum stanza_error e);
struct str stanza_error_type(enum stanza_error e);
struct str stream_error_name(enum stream_error e);
struct str sasl_error_name(enum sasl_error e);
/* STANZA_ERROR_NONE for an unknown name. */
enum stanza_error stanza_error_from_name(struct str name);

#endif
