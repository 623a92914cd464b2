/*
 * testcard.S - share/testcard.ts as read-only data (testcard.h)
 */
	.section .rodata
	.global	testcard_ts
	.global	testcard_ts_end
	.type	testcard_ts, %object
	.balign	16
testcard_ts:
	.incbin	"testcard.ts"
testcard_ts_end:
	.byte	0
	.size	testcard_ts, . - testcard_ts
	.section .note.GNU-stack, "", %progbits
