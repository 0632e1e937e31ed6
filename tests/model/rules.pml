/* SPDX-License-Identifier: MIT */
/*
 * The rules that restart in place rests on (design: docs/recovery.md), each with a switch: spin -DBREAK=NAME breaks it, and then the
 * model must show a violation. tests/model/run reads this list: what is here is checked, and said in these words.
 */
#define broken(rule) (BREAK == rule)

#define NOTHING 0
/* same domain */
#define NO_STOP 1            /* the vCPUs are stopped before anything is taken away */
#define BLOCK_AFTER_GRANTS 2 /* DMA is blocked first, before the grants go */
#define BLOCK_AFTER_SCRUB 3  /* DMA is blocked before the memory is scrubbed */
#define NO_BLOCK 4           /* DMA is blocked until the new incarnation asks for it */
#define NO_RESET 5           /* the device is reset before it is used again */
#define DMA_BEFORE_RESET 6   /* the device is reset before DMA is let through */
#define FAULTS_KEPT 7        /* faults of the blocked time are forgotten with the block */
#define GRANTS_KEPT 8        /* every grant mapping of the old incarnation is dropped */
#define FLAGS_KEPT 9         /* the in-use flags in the granter's table go with the mappings */
#define PORT_KEPT 10         /* the front's port becomes unbound */
#define PORT_FREED 11        /* the port stays the front's, it is not freed */
#define PORT_OPEN 12         /* only this domain may bind it again */
#define NO_SCRUB 13          /* memory is scrubbed and the pristine image laid */
#define FRAME_REUSED 14      /* a frame that somebody still maps is not used again */
#define SAME_INCARNATION 15  /* the incarnation number is one higher */
/* same registry */
#define STATE_WRITTEN 16     /* adopting writes no state */
#define RELEASE_FIRED 17     /* a death is not told to the front (@releaseDomain) */
/* the ring is the journal */
#define OUT_OF_ORDER 18      /* responses are published in request order */
#define ANSWER_EARLY 19      /* a request is answered when the device is done with it */
#define UNMAP_LATE 20        /* the front's pages are given back before it is answered */
#define NOTE_IGNORED 21      /* a response half written is finished by the successor */
#define INDEX_FROM_ZERO 22   /* the producer index is taken from rsp_prod */
#define REPLAY_LEFT_OUT 23   /* the consumer index is taken from there too: what was begun is executed again */
#define NO_KICK 24           /* adopting sends the event that the dead one may have owed */
#define NO_LOOK 25           /* adopting looks at the ring: events sent meanwhile are lost */
#define NO_FINAL_CHECK 26    /* the ring is looked at again after req_event is set */
#define NO_TIMER 27          /* a lost interrupt is made good by a timer */
/* detection */
#define NO_EXCEPTION 28      /* a crash raises VIRQ_DOM_EXC */
#define NO_WATCHDOG 29       /* a hang is ended by the watchdog */
#define NO_PROGRESS_CHECK 30 /* a live-lock is ended by the check of ring progress */
/* policy */
#define NO_LIMIT 31          /* restarts in a row are limited */
#define NO_CLOSING 32        /* quarantine closes the fronts' devices */
