/* The inner loop of kernel.py in C. accelerator.py compiles it, once a machine, with the constants in capitals from
 * Python. Times are microseconds, keys are those of workers.py. */

#include <stdint.h>

typedef int64_t i64;

/* `heapreplace`, step by step as CPython's _heapqmodule.c does it, down to a leaf and then up, because workers that
 * crash are drawn by their place in the heap. The smaller child is found without a branch, which the processor would
 * guess wrong every other time: 47 to 32 ns a message at 350 workers. */
static void replace_smallest(i64 *keys, i64 count, i64 key)
{
    i64 place = 0;
    while (place < (count - 1) >> 1) {
        i64 child = 2 * place + 1;
        child += keys[child + 1] <= keys[child];
        keys[place] = keys[child];
        place = child;
    }
    if (place < count >> 1) {
        i64 child = 2 * place + 1;
        keys[place] = keys[child];
        place = child;
    }
    while (place > 0) {
        i64 parent = (place - 1) >> 1;
        if (key >= keys[parent])
            break;
        keys[place] = keys[parent];
        place = parent;
    }
    keys[place] = key;
}

static void count_beyond(i64 wait, i64 *beyond)
{
    i64 doublings = 0;
    while (wait / LINEAR_END_US >> (doublings + 1))
        doublings++;
    beyond[doublings * LOG_STEPS + wait * LOG_STEPS / (LINEAR_END_US << doublings) - LOG_STEPS]++;
}

/* Starts messages from `index` up to `arrived`, or until nobody is free before `end_us`. Returns the first that stays;
 * `sums` gets what was waited in all, the longest wait if it is longer than what is there, and how long all take. */
i64 start_messages(const i64 *arrivals, const i64 *durations, i64 index, i64 arrived, i64 end_us, i64 *keys, i64 count,
                   i64 *noted, i64 *noted_arrivals, i64 noted_above, i64 *linear, i64 *beyond, i64 *sums)
{
    for (; index < arrived; index++) {
        i64 key = keys[0], wait = (key >> SLOT_BITS) - arrivals[index], duration = durations[index];
        if (wait > 0) {
            if (key >> SLOT_BITS >= end_us)
                break;
            sums[0] += wait;
            if (wait > sums[1])
                sums[1] = wait;
            if (wait < LINEAR_END_US) {
                linear[wait / LINEAR_STEP_US]++;
            } else {
                linear[LINEAR_STEPS]++;
                count_beyond(wait, beyond);
            }
            replace_smallest(keys, count, key + (duration << SLOT_BITS));
        } else {
            linear[0]++;
            replace_smallest(keys, count, key + ((duration - wait) << SLOT_BITS));
        }
        sums[2] += duration;
        if (duration > noted_above) {
            noted[key & SLOT_MASK] = duration;
            noted_arrivals[key & SLOT_MASK] = arrivals[index];
        }
    }
    return index;
}

/* How many keys are at `edge` or above. */
i64 count_from(const i64 *keys, i64 count, i64 edge)
{
    i64 found = 0;
    for (i64 place = 0; place < count; place++)
        found += keys[place] >= edge;
    return found;
}

/* How far the keys at `edge` or above are from `now_us`, all together. */
i64 time_from(const i64 *keys, i64 count, i64 edge, i64 now_us)
{
    i64 time = 0;
    for (i64 place = 0; place < count; place++)
        time += keys[place] >= edge ? (keys[place] >> SLOT_BITS) - now_us : 0;
    return time;
}

/* See IsSound in trace.py. */
i64 is_sound(const i64 *arrivals, const i64 *durations, i64 count)
{
    i64 wrong = arrivals[count - 1] > LONGEST_LOAD_US;
    for (i64 place = 1; place < count; place++)
        wrong |= arrivals[place] < arrivals[place - 1];
    for (i64 place = 0; place < count; place++)
        wrong |= (durations[place] < 0) | (durations[place] > LONGEST_MESSAGE_US);
    return !wrong;
}
