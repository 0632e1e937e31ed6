/* SPDX-License-Identifier: MIT */
/* What stands around the driver domain and does not die with it: the device, the front, others. See recovery.pml. */

/* --- the device: one engine an id --- */

/* An access by DMA. Blocked, it is recorded and the command is over; let through, it reaches what the domain has mapped. */
inline dma(allowed)
{
    if
    :: dma_on -> assert(allowed) /* DMA reaches no foreign, scrubbed or unmapped memory */
    :: else -> fault_recorded = broken(FAULTS_KEPT); command[id] = Idle; command_old[id] = 0; device_data[id] = 0
    fi
}

proctype engine(byte id)
{
end_idle:
    do
    :: d_step {
        command[id] == Queued ->
        if
        :: command_write[id] -> dma(mapped & 1 << id)
        :: else
        fi;
        if
        :: command[id] == Queued -> device_data[id] = (command_write[id] -> page[id] : disk[id]); command[id] = Fetched
        :: else
        fi
    }
    :: d_step {
        command[id] == Fetched ->
        if
        :: command_write[id] ->
            assert(asked[id] == Write && device_data[id] == want[id]); /* an acknowledged write is not undone */
            disk[id] = device_data[id];
            command[id] = Ended
        :: else ->
            dma(mapped & 1 << id && asked[id] == Read); /* the page is the front's own again otherwise */
            if
            :: command[id] == Fetched -> page[id] = device_data[id]; command[id] = Ended
            :: else
            fi
        fi
    }
    :: atomic {
        command[id] == Ended ->
        dma(!command_old[id]); /* the queue lies in memory of the incarnation that sent the command */
        if
        :: command[id] == Ended ->
            completed = completed | 1 << id;
            command[id] = Idle;
            device_data[id] = 0;
            if
            :: lost > 0 -> lost--
            :: interrupt = 1
            fi
        :: else
        fi
    }
    od
}

/* --- the front --- */

inline ask()
{
    atomic {
        do
        :: asked[id] != None -> id++
        :: else -> break
        od;
        sent++;
        if
        :: asked[id] = Write; want[id] = sent; page[id] = sent
        :: asked[id] = Read; want[id] = block[id]
        :: WRONG -> asked[id] = Refused; want[id] = block[id]
        fi;
        granted[id] = 1;
        slot[req_prod % SLOTS] = REQUEST(id);
        id = 0;
        req_prod++
    };
    atomic {
        if
        :: req_event == req_prod -> send_to_driver()
        :: else
        fi
    }
}

inline take_answer()
{
    assert(is_response(slot[rsp_cons % SLOTS])); /* what is published is a response */
    id = slot[rsp_cons % SLOTS] - 2 - SLOTS;
    assert(asked[id] != None); /* no request is answered twice */
    assert((asked[id] == Read -> page[id] : disk[id]) == want[id]); /* no request is answered before its data is in place */
    assert(PERSISTENT || in_use[id] == 0); /* a page of an answered request is the front's own again */
    block[id] = want[id];
    asked[id] = None;
    want[id] = 0;
    granted[id] = PERSISTENT;
    page[id] = OTHER_DATA;
    id = 0;
    got++;
    rsp_cons++
}

inline collect()
{
    atomic { front_pending -> front_pending = 0; rp = rsp_prod };
    do
    :: d_step {
        rsp_cons != rp ->
        assert(rsp_cons < rp && rp <= req_prod); /* rsp_prod runs neither backwards nor ahead of the requests */
        take_answer()
    }
    :: atomic { rsp_cons == rp -> rsp_event = rsp_cons + 1 };
        atomic {
            if
            :: rsp_cons == req_prod || rsp_prod == rsp_cons -> rp = 0; break
            :: else -> rp = rsp_prod
            fi
        }
    od
}

/* Ends when all is answered, or, errors and all, when the device is closed in order. It never ends otherwise. */
active proctype front()
{
    byte id, rp;
    state != InitWait;
    do
    :: sent < REQS && state == Connected && req_prod - rsp_cons < SLOTS -> ask()
    :: collect()
    :: state != Connected ->
        assert(state == Closing && quarantined); /* the front sees no change but the quarantine's orderly Closing */
        break
    :: got == REQS -> break
    od
}

/* --- who means no good --- */

active proctype fate()
{
end_fate:
    do
    :: atomic {
        deaths < DEATHS && running && domain == Alive ->
        running = broken(NO_STOP);
        if
        :: domain = Kill
        :: KINDS -> domain = Crash
        :: KINDS -> domain = Hang
        :: KINDS -> domain = Livelock
        fi
    }
    :: atomic { noise > 0 -> noise--; send_to_driver() }
    :: atomic { noise > 0 -> noise--; front_pending = 1 }
    od
}

/* Any other domain: it binds what it may. */
active proctype thief()
{
end_thief:
    port == Open -> port = Stolen
}

/* Who has mapped a page of ours (pcid, the ring of pciif) may write there until it lets go. */
active proctype peer()
{
end_peer:
    do
    :: atomic { offered -> offered = 0; lent = 1; lent_stale = 0 }
    :: d_step {
        lent ->
        assert(!lent_stale); /* nobody else reaches an incarnation's memory */
        lent = 0
    }
    od
}
