/*
 * trouble.c - curl's many codes as few words
 */
#include "worker/trouble.h"

#include <curl/curl.h>
#include <errno.h>

#include "base/pb.h"

const char *
trouble_name(enum trouble trouble)
{
	static const char *const names[TROUBLES] = { "none", "name", "unreachable", "refused", "tls", "silent",
		"stalled", "cut", "status", "redirect", "body" };

	return (unsigned)trouble < NITEMS(names) ? names[trouble] : "none";
}

/* Nothing answers a timeout; what answered and then nothing more came is the server's. */
static enum trouble
of_timeout(enum trouble_reach reach)
{
	static const enum trouble of[] = { TROUBLE_UNREACHABLE, TROUBLE_TLS, TROUBLE_SILENT, TROUBLE_STALLED };

	return of[reach];
}

enum trouble
trouble_of_curl(int code, long os_error, enum trouble_reach reach)
{
	switch ((CURLcode)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return TROUBLE_NAME;
	case CURLE_OPERATION_TIMEDOUT:
		return of_timeout(reach);
	case CURLE_COULDNT_CONNECT:
		return os_error == ECONNREFUSED || os_error == ECONNRESET ? TROUBLE_REFUSED : TROUBLE_UNREACHABLE;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		if (os_error == ETIMEDOUT || os_error == EHOSTUNREACH || os_error == ENETUNREACH)
			return TROUBLE_UNREACHABLE;
		return reach == REACH_BODY ? TROUBLE_CUT : TROUBLE_REFUSED;
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return TROUBLE_CUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return TROUBLE_TLS;
	case CURLE_TOO_MANY_REDIRECTS:
		return TROUBLE_REDIRECT;
	default:
		return TROUBLE_BODY;
	}
}
