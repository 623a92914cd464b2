/*
 * control.h - the control socket's API, JSON over HTTP
 *
 *   GET  /api/status    status.h
 *   GET  /api/channels
 *   GET  /api/config    the settings in force, secrets redacted
 *   GET  /api/health    200 or 503, with reasons
 *   GET  /api/dump      everything that is not configuration
 *   GET  /api/recorder?channel=N[&since=S]   history.h; 400, 404 {"ok":false,"errors":[...]}
 *   GET  /api/lineup    the lineup, what is absent, and how the providers' sources are
 *   POST /api/refresh   ?provider=NAME, else all: fetches now; 200, or 409 {"ok":false,"errors":[...]}; when it is done
 *   POST /api/renumber  ?from=N&to=M: 200, or 400, 404, 409 {"ok":false,"errors":[...]}
 *   POST /api/upgrade   200 {"ok":true,"pid":N}, or 409, 503 {"ok":false,"errors":[...]}; when it is done
 *   POST /api/reload    200 {"ok":true,"restart":[...]}, or 409 {"ok":false,"errors":[...]}
 *
 * Who may connect is a matter of the socket's rights (0660).
 */
#ifndef PLEXBRIDGE_SUPERVISOR_CONTROL_H
#define PLEXBRIDGE_SUPERVISOR_CONTROL_H

#include "base/request.h"
#include "supervisor/http.h"

/* The handler of the control socket's http_server; arg is the struct supervisor. */
void control_handle(void *arg, struct http_conn *conn, const struct request *req);

#endif
