/* SPDX-License-Identifier: MIT */
/* hypervisor/dom/restart.c, grant.c, event.c and passthrough.c; tools/bhd, which has it done. See recovery.pml. */

/* mark_dead, devices_block_dma */
inline stop_and_block()
{
    atomic {
        if
        :: !broken(NO_STOP) -> running = 0; !on_cpu
        :: else
        fi;
        dma_on = dma_on && (broken(BLOCK_AFTER_GRANTS) || broken(BLOCK_AFTER_SCRUB) || broken(NO_BLOCK))
    }
}

/* A call that has done its share returns (-ERESTART), and whoever looks after the domain then calls again: from the start while
 * there are grants to drop, then to go on with the memory. */
inline drop_mappings()
{
    do
    :: atomic {
        mapped && !broken(GRANTS_KEPT) ->
        do
        :: mapped & 1 << i -> break
        :: else -> i++
        od;
        mapped = mapped - (1 << i);
        in_use[i] = in_use[i] - !broken(FLAGS_KEPT);
        i = 0;
        if
        :: goto again
        :: true
        fi
    }
    :: atomic { !mapped || broken(GRANTS_KEPT) -> ring_lost = 1; dma_on = dma_on && !broken(BLOCK_AFTER_GRANTS); break }
    od;
}

inline restart_events()
{
    atomic {
        if
        :: port == Bound && !broken(PORT_KEPT) ->
            port = (broken(PORT_FREED) -> Freed : (broken(PORT_OPEN) -> Open : Unbound))
        :: else
        fi;
        driver_pending = 0
    }
}

/* In goes, here two: the driver's own records, then what it shares with the device. */
inline lay_out()
{
    d_step {
        do
        :: i < SLOTS ->
            command_old[i] = command[i] != Idle; /* what its completion would be written to is another's from now on */
            window[i] = (broken(NO_SCRUB) -> window[i] : 0);
            finished[i] = finished[i] && broken(NO_SCRUB);
            cached[i] = cached[i] && broken(NO_SCRUB);
            i++
        :: else -> break
        od;
        i = 0;
        rsp_pvt = 0; req_cons = 0; rsp_told = 0
    };
    d_step {
        completed = (broken(NO_SCRUB) -> completed : 0);
        interrupt = 0;
        offered = 0;
        lent_stale = lent && broken(FRAME_REUSED)
    }
}

inline start_new()
{
    atomic {
        dma_on = dma_on && !broken(BLOCK_AFTER_SCRUB);
        if
        :: broken(NO_STOP) -> running = 0; !on_cpu
        :: else
        fi;
        incarnation = incarnation + !broken(SAME_INCARNATION);
        ring_lost = 0;
        domain = Alive;
        running = 1
    }
}

#define noticed ((domain == Kill) || (domain == Crash && !broken(NO_EXCEPTION)) || \
                 (domain == Hang && !broken(NO_WATCHDOG)) || (domain == Livelock && !broken(NO_PROGRESS_CHECK)))

active proctype bhd()
{
    byte i;
end_watching:
    do
    :: atomic {
        noticed ->
        state = (broken(RELEASE_FIRED) -> Unknown : state);
        deaths = deaths + !broken(NO_LIMIT);
        if
        :: LIMIT && deaths > LIMIT -> quarantined = 1; state = (broken(NO_CLOSING) -> state : Closing); break
        :: else
        fi
    };
again:
        stop_and_block();
        restart_events();
        drop_mappings();
        lay_out();
        start_new()
    od
}
