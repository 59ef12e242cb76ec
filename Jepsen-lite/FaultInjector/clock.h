// What reading clocks and waiting share.
#ifndef CLOCK_H
#define CLOCK_H

#include "faults.h"

#pragma GCC visibility push(hidden)

struct clock_settings {
  bool is_active, scales_waits;
  int64_t wall_offset, strobe_offset, shift, rate;
  uint64_t strobe_period, anchor;
};

/// The settings as they were set together.
struct clock_settings clock_settings(void);

bool is_wall_clock(clockid_t clock);
bool is_monotonic_clock(clockid_t clock);
/// How far off the clocks are now, in nanoseconds.
int64_t wall_change(const struct clock_settings *settings);
int64_t monotonic_change(const struct clock_settings *settings);

static inline uint64_t nanoseconds_of(const struct timespec *time) {
  return (uint64_t)time->tv_sec * 1000000000ull + (uint64_t)time->tv_nsec;
}

static inline struct timespec timespec_of(uint64_t nanoseconds) {
  return (struct timespec){(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
}

#pragma GCC visibility pop

#endif
