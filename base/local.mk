noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = base/pb.h base/pb.c base/fault.h base/fault.c base/log.h base/log.c base/ts.h base/ts.c \
	base/url.h base/url.c base/request.h base/request.c base/utf8.h base/utf8.c \
	base/loop.h base/pages.h base/pages.c base/private.h base/private.c
