/*
 * verdict.c - how the promise in verdict.h is kept
 *
 * The order of the questions matters: what we stopped ourselves is known
 * best, then a status, which is the server's own word, and only then what
 * curl makes of the connection.
 */
#include "worker/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#include "base/pb.h"

static void because(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void
because(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

static void
set(struct verdict *v, enum verdict_what what, int err)
{
	v->what = what;
	v->err = err;
}

/*
 * Too many, it says (hls.md 7). What is part of a stream is worth waiting for,
 * if there is time: it is there, and the next one would be refused as well. So
 * is whatever was one of several: that they were is our own doing, and soon
 * over. The caller decides about all else.
 */
static void
judge_busy(struct verdict *v, const struct verdict_try *t)
{
	double pause_s = t->retry_after_ms > 0 ? t->retry_after_ms / 1e3
	    : t->crowd                         ? VERDICT_CROWD_S
					       : verdict_busy_pause(t->busy);

	if ((t->kind == FETCH_SEGMENT || t->kind == FETCH_KEY || t->crowd) &&
	    (pause_s < t->left_s || (t->crowd && t->left_s == 0))) {
		v->pause_s = pause_s;
		set(v, VERDICT_BUSY, PB_NO);
	} else {
		set(v, VERDICT_END, PB_NO);
	}
}

/* A response whose body is not wanted. */
static void
judge_status(struct verdict *v, const struct verdict_try *t)
{
	int status = t->status;

	if (status >= 300 && status < 400 && status != 304 && t->location) {
		set(v, VERDICT_REDIRECT, PB_NO);
		return;
	}
	because(v, "HTTP %d", status);
	v->trouble = TROUBLE_STATUS;
	if (status == 404 && t->kind == FETCH_SEGMENT && t->missing_s < t->missing_ms / 1e3) {
		set(v, VERDICT_MISSING, PB_NO);
	} else if (status == 416 && t->ranged && t->pos > 0) {
		if (t->had_all) { /* the connection broke behind the last byte */
			set(v, VERDICT_DONE, 0);
			return;
		}
		v->whole = true;
		set(v, VERDICT_RETRY, PB_NO);
	} else if (verdict_busy(status)) {
		judge_busy(v, t);
	} else if (status == 408 || status == 425 || status >= 500) {
		v->rotate = true;
		v->fresh = t->addresses > 1;
		set(v, VERDICT_RETRY, PB_NO);
	} else {
		set(v, VERDICT_END, PB_NO);
	}
}

/* Failures that would be the same in the next try: the error for them, else 0. */
static int
final_err(CURLcode code)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return PB_ENET;
	case CURLE_OUT_OF_MEMORY:
		return PB_ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return PB_EFORMAT;
	default:
		return 0;
	}
}

static const char *
certificate_text(long verify)
{
	switch (verify) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "TLS: its certificate has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "TLS: its certificate is not valid yet; is this machine's clock right?";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return "TLS: its certificate is signed by itself, not by an authority that is trusted here";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "TLS: its certificate is from an authority that is not known here";
	case X509_V_ERR_CERT_REVOKED:
		return "TLS: its certificate was revoked";
	case X509_V_OK: /* the chain is good, so it is the name */
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "TLS: its certificate is for another name";
	default:
		return "TLS: its certificate can't be trusted";
	}
}

const char *
verdict_tls_text(int code, long verify)
{
	switch ((CURLcode)code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return certificate_text(verify);
	case CURLE_SSL_CONNECT_ERROR:
		return verify != X509_V_OK ? certificate_text(verify)
					   : "TLS: no protocol or cipher in common, or the other side doesn't speak it";
	case CURLE_SSL_CIPHER:
		return "TLS: no cipher in common";
	case CURLE_SSL_CACERT_BADFILE:
		return "TLS: this machine's certificates of authorities can't be read";
	case CURLE_SSL_INVALIDCERTSTATUS:
		return "TLS: its certificate was revoked, or its state can't be told";
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return "TLS: its certificate can't be trusted";
	default:
		return NULL;
	}
}

/*
 * A kept connection was no good: it was closed before our request, or what came first on it is no answer but
 * the rest of an earlier one. Not this request's fault.
 */
static bool
was_stale(CURLcode code)
{
	return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
	    code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY;
}

/* The connection failed, on the way to the response or in its body. */
static void
judge_transport(struct verdict *v, const struct verdict_try *t)
{
	CURLcode code = t->code == CURLE_OK ? CURLE_GOT_NOTHING : (CURLcode)t->code;
	int err = final_err(code);
	bool stale = t->reused && t->got == 0 && was_stale(code);

	v->trouble = trouble_of_curl((int)code, t->os_error, t->got > 0 ? REACH_BODY : t->reach);
	if (verdict_tls_text((int)code, t->verify) != NULL)
		because(v, "%s", verdict_tls_text((int)code, t->verify));
	else if (t->pos > 0)
		because(v, "%s after %" PRIu64 " bytes", curl_easy_strerror(code), t->pos);
	else
		because(v, "%s", curl_easy_strerror(code));
	if (err != 0 && !stale) {
		set(v, VERDICT_END, err);
	} else if (t->kind == FETCH_STREAM && t->pos > 0) {
		set(v, VERDICT_END, PB_ENET); /* what it would go on with is not what follows */
	} else if (code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM) {
		v->http2 = v->fresh = true;
		set(v, VERDICT_STALE, PB_ENET);
	} else if (stale) {
		v->fresh = true;
		set(v, VERDICT_STALE, PB_ENET);
	} else {
		v->doubt = code == CURLE_COULDNT_CONNECT || (code == CURLE_OPERATION_TIMEDOUT && !t->connected);
		v->rotate = v->doubt;
		v->fresh = true;
		set(v, VERDICT_RETRY, code == CURLE_OPERATION_TIMEDOUT ? PB_ETIME : PB_ENET);
	}
}

struct verdict
verdict_transfer(const struct verdict_try *t)
{
	struct verdict v = { .fresh = t->fresh };

	if (t->refused && t->code != CURLE_OK) {
		because(&v, "a public source led to a private address, and private_targets is no");
		v.trouble = TROUBLE_REDIRECT;
		set(&v, VERDICT_END, PB_NO);
	} else if (t->replan) {
		v.whole = true;
		set(&v, VERDICT_NOW, PB_EFORMAT);
	} else if (t->stop_err != 0) {
		v.trouble = TROUBLE_BODY;
		set(&v, VERDICT_END, t->stop_err);
	} else if (t->whole) {
		set(&v, VERDICT_DONE, 0);
	} else if (t->unwanted) {
		judge_status(&v, t);
	} else if (t->code == CURLE_OK && t->wanted && t->partial) {
		because(&v, "a part that ends after %" PRIu64 " bytes", t->pos);
		set(&v, t->got >= VERDICT_MOVED_WELL ? VERDICT_NOW : VERDICT_RETRY, PB_ENET);
		if (v.what == VERDICT_RETRY)
			v.trouble = TROUBLE_BODY;
	} else if (t->code == CURLE_OK && t->wanted) {
		set(&v, VERDICT_DONE, 0);
	} else {
		judge_transport(&v, t);
	}
	return v;
}

struct verdict
verdict_name(const struct verdict_try *t, int err)
{
	struct verdict v = { .fresh = t->fresh };

	v.trouble = TROUBLE_NAME;
	because(&v, err == PB_NO ? "no such host" : "no address for its name: %s", pb_strerror(err));
	if (err == PB_EFORMAT)
		set(&v, VERDICT_END, PB_EFORMAT); /* a name that no server could know */
	else
		set(&v, VERDICT_RETRY, err == PB_ETIME || err == PB_ENOMEM ? err : PB_ENET);
	return v;
}

struct verdict
verdict_timeout(const struct verdict_try *t, bool naming, double timeout_s)
{
	struct verdict v = { .fresh = true, .rotate = true };
	struct verdict_try answered = *t;

	if (t->unwanted) { /* only the rest of an error page is missing: its status says more */
		answered.fresh = true;
		v = verdict_transfer(&answered);
		v.rotate = true;
		return v;
	}
	v.trouble = naming
	    ? TROUBLE_NAME
	    : trouble_of_curl(CURLE_OPERATION_TIMEDOUT, 0, t->got > 0 || t->wanted ? REACH_BODY : t->reach);
	if (naming)
		because(&v, "no address for its name in %.0f ms", timeout_s * 1e3);
	else if (t->got > 0)
		because(&v, "stalled after %" PRIu64 " bytes for %.0f ms", t->pos, timeout_s * 1e3);
	else if (t->wanted)
		because(&v, "a head and no body in %.0f ms", timeout_s * 1e3);
	else
		because(&v, "no answer in %.0f ms", timeout_s * 1e3);
	set(&v, t->kind == FETCH_STREAM && t->pos > 0 ? VERDICT_END : VERDICT_RETRY, PB_ETIME);
	return v;
}

double
verdict_pause(unsigned failures, uint32_t backoff_ms, uint32_t backoff_max_ms, uint32_t retry_after_ms, double random)
{
	double pause_ms = backoff_ms;

	for (unsigned i = 1; i < failures && pause_ms < backoff_max_ms; i++)
		pause_ms *= 2;
	pause_ms = PB_MIN(PB_MAX(pause_ms, (double)retry_after_ms), (double)backoff_max_ms);
	return pause_ms * (0.75 + random / 4) / 1e3;
}

bool
verdict_busy(int status)
{
	return status == 429 || status == 458 || status == 509;
}

double
verdict_busy_pause(unsigned n)
{
	static const double waits_s[] = { 2, 5, 10, 30 };

	return waits_s[PB_MIN(n, NITEMS(waits_s) - 1)];
}

bool
verdict_denied(int status)
{
	return status == 401 || status == 403 || status == 407 || status == 451;
}
