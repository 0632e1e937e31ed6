/* SPDX-License-Identifier: MIT */
/* The driver domain: driverdoms/blk/nvme.c, backends/core/ring.c, backends/blk/blkback.c and queue.c. See recovery.pml. */

/* nvme_begin: CC.EN = 0 and wait for RDY = 0; what the device was doing is over */
inline reset_device()
{
    d_step {
        i = 0;
        do
        :: i < SLOTS && !broken(NO_RESET) -> command[i] = Idle; command_old[i] = 0; device_data[i] = 0; i++
        :: else -> break
        od;
        i = 0;
        completed = 0; /* create_io_queue */
        offered = PEER
    }
}

/* BH_OP_dma_enable: it forgets the faults of the blocked time, which read later would stop the wrong incarnation. */
inline enable_dma()
{
    d_step {
        dma_on = 1;
        assert(!fault_recorded) /* no incarnation is stopped for the faults of its predecessor */
    }
}

inline publish_index()
{
    d_step {
        rsp_pvt++;
        assert(rsp_pvt == rsp_prod + 1); /* indices never run backwards, and none is left out */
        rsp_prod = rsp_pvt
    }
}

inline write_response(id)
{
    slot[rsp_pvt % SLOTS] = TORN;
    slot[rsp_pvt % SLOTS] = RESPONSE(id);
    publish_index()
}

inline ring_put(id)
{
    note_check = 0;
    d_step { note_id = id; note_index = rsp_pvt }; /* nobody looks while note_check is zero */
    note_check = note_index + 1;
    write_response(id)
}

#define noted (note_index == rsp_pvt && note_check == note_index + 1 && req_prod != rsp_pvt && !broken(NOTE_IGNORED))

/* ring_attach, finish_noted: the predecessor may have died between writing a response and publishing it. */
inline ring_attach()
{
    atomic {
        rsp_pvt = (broken(INDEX_FROM_ZERO) -> 0 : rsp_prod);
        assert(rsp_pvt <= req_prod && req_prod - rsp_pvt <= SLOTS); /* the ring's indices are sound */
        note_check = (adopt -> note_check : 0);
        if
        :: noted
        :: else -> goto attached
        fi
    };
    write_response(note_id);
attached:
    atomic {
        req_cons = (broken(REPLAY_LEFT_OUT) && adopt -> req_prod : rsp_pvt);
        rsp_told = rsp_pvt
    }
}

#define next_id (window[rsp_pvt % SLOTS] - 1)
#define first_is_done (rsp_pvt != req_cons && window[rsp_pvt % SLOTS] && finished[next_id])

/* Publish what is done, in order, as far as it goes; request j has just ended. */
inline publish()
{
    do
    :: atomic { broken(OUT_OF_ORDER) && finished[j] -> k = j; finished[k] = 0 };
        ring_put(k)
    :: atomic { !broken(OUT_OF_ORDER) && first_is_done -> k = next_id; window[rsp_pvt % SLOTS] = 0; finished[k] = 0 };
        ring_put(k)
    :: else -> break
    od;
    atomic { /* ring_push: the only shared word is rsp_event */
        k = 0;
        if
        :: rsp_told < rsp_event && rsp_event <= rsp_pvt -> send_to_front()
        :: else
        fi;
        rsp_told = rsp_pvt
    }
}

inline get_pages()
{
    d_step {
        assert(granted[j]); /* no request ends with an error */
        if
        :: !cached[j] -> mapped = mapped | 1 << j; in_use[j]++; cached[j] = PERSISTENT
        :: else
        fi
    }
}

inline release_pages()
{
    d_step {
        if
        :: !PERSISTENT -> mapped = mapped & ~(1 << j); in_use[j]--
        :: else
        fi
    }
}

/* take_one and start: what is in the slot is a request, unharmed, that nobody has answered */
inline take()
{
    atomic {
        req_prod != req_cons ->
        assert(is_request(slot[req_cons % SLOTS])); /* the journal holds requests, unharmed */
        j = slot[req_cons % SLOTS] - 2;
        assert(asked[j] != None); /* the journal holds what nobody has answered */
        window[req_cons % SLOTS] = j + 1;
        finished[j] = asked[j] == Refused || broken(ANSWER_EARLY);
        req_cons++;
        if
        :: asked[j] == Refused -> goto answer
        :: else
        fi
    };
    get_pages();
    atomic {
        command[j] == Idle ->
        command_write[j] = asked[j] == Write;
        command[j] = Queued;
        if
        :: broken(ANSWER_EARLY)
        :: else -> goto taken
        fi
    };
answer:
    publish();
taken:
    j = 0
}

inline queue_run()
{
    do
    :: take()
    :: else ->
        req_event = req_cons + 1;
        if
        :: req_prod != req_cons && !broken(NO_FINAL_CHECK)
        :: else -> break
        fi
    od
}

/* A completion was found, by interrupt or by the driver's timer (nvme_check). */
inline done()
{
    d_step {
        do
        :: completed & 1 << j -> break
        :: else -> j++
        od;
        completed = completed - (1 << j);
        interrupt = interrupt && completed != 0;
        finished[j] = 1
    };
    if
    :: broken(UNMAP_LATE) -> publish(); release_pages()
    :: else -> release_pages(); publish()
    fi;
    j = 0
}

/* What cannot be connected is xb_break. */
inline connect()
{
    atomic {
        if
        :: state == InitWait -> adopt = 0
        :: state == Connected && incarnation > 1 -> adopt = 1
        :: else -> state = Closing; goto end_broken /* "Connected, but nothing of ours ever was" */
        fi
    };
    ring_attach();
    atomic {
        if
        :: port == Unbound || port == Open -> port = Bound; driver_pending = !broken(NO_LOOK)
        :: else -> state = Closing; goto end_broken
        fi
    };
    atomic {
        state = (broken(STATE_WRITTEN) && adopt -> InitWait : Connected);
        if
        :: broken(NO_KICK) && adopt
        :: else -> send_to_front()
        fi;
        if
        :: broken(NO_LOOK) && adopt
        :: else -> goto serve
        fi
    }
}

/* One life of the driver domain, up to whatever ends it. */
inline life()
{
    if
    :: broken(DMA_BEFORE_RESET) -> enable_dma()
    :: else
    fi;
    reset_device();
    enable_dma();
    connect();
end_serving:
    do
    :: atomic { driver_pending -> driver_pending = 0; goto serve }
    :: completed && (interrupt || !broken(NO_TIMER)) ->
        done();
serve:
        queue_run()
    od;
end_broken:
    false
}

/* It takes steps; touching a ring whose mapping is gone ends that. */
#define lives() (running && !ring_lost)

active proctype driver()
{
    byte i, j, k;
    bool adopt;
end_down:
    do
    :: atomic { lives() && !on_cpu -> on_cpu = 1; i = 0; j = 0; k = 0; adopt = 0 };
        { life() } unless { atomic { !lives() -> on_cpu = 0; i = 0; j = 0; k = 0; adopt = 0 } }
    od
}
