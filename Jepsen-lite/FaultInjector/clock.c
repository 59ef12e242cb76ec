// Clocks that are off, jump, and run at another rate. libc reads them without a system call, but
// through these functions.
#include "faults.h"

#ifdef __linux__

#include "clock.h"

#include <sys/time.h>

struct clock_settings clock_settings(void) {
  struct clock_settings now = {0};
  // The harness may end in the middle of a change: then what it left has to do.
  for (int attempt = 0; attempt < 1000; attempt++) {
    uint64_t before = setting(FAULT_CLOCK_SEQUENCE);
    now.is_active = setting(FAULT_CLOCK_ACTIVE) != 0;
    now.wall_offset = (int64_t)setting(FAULT_WALL_OFFSET_NS);
    now.strobe_offset = (int64_t)setting(FAULT_STROBE_OFFSET_NS);
    now.strobe_period = setting(FAULT_STROBE_PERIOD_NS);
    now.anchor = setting(FAULT_RATE_ANCHOR_NS);
    now.shift = (int64_t)setting(FAULT_RATE_SHIFT_NS);
    now.rate = (int64_t)setting(FAULT_RATE_PPM);
    now.scales_waits = setting(FAULT_SCALE_WAITS) != 0;
    if (before % 2 == 0 && before == setting(FAULT_CLOCK_SEQUENCE)) break;
  }
  return now;
}

bool is_wall_clock(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

bool is_monotonic_clock(clockid_t clock) {
  return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW
         || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME;
}

int64_t wall_change(const struct clock_settings *settings) {
  int64_t change = settings->wall_offset;
  if (settings->strobe_period > 0 && real_monotonic() / settings->strobe_period % 2 == 1)
    change += settings->strobe_offset;
  return change;
}

int64_t monotonic_change(const struct clock_settings *settings) {
  int64_t since = (int64_t)(real_monotonic() - settings->anchor);
  // In two parts, so that years at a high rate do not overflow.
  return settings->shift + since / 1000000 * settings->rate
         + since % 1000000 * settings->rate / 1000000;
}

/// A monotonic clock never goes back, also where a reader still used the faster rate.
static uint64_t never_before_the_last(clockid_t clock, uint64_t shown) {
  static uint64_t last[16];
  uint64_t before = __atomic_load_n(&last[clock], __ATOMIC_RELAXED);
  while (before < shown) {
    if (__atomic_compare_exchange_n(&last[clock], &before, shown, true, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
      return shown;
  }
  return before;
}

static void note_change(enum fault_word shown_word, uint64_t shown, uint64_t real) {
  fault_store(faults_words, (int)shown_word, shown);
  fault_store(faults_words, (int)shown_word + 1, real);
  count(FAULT_CLOCK_READS_CHANGED);
}

/// What the clock shows: the real time, or what the harness has set.
static uint64_t shown(clockid_t clock, uint64_t real) {
  bool is_wall = is_wall_clock(clock);
  count(is_wall ? FAULT_WALL_READS : FAULT_MONOTONIC_READS);
  if (setting(FAULT_CLOCK_ACTIVE) == 0) return real;
  struct clock_settings settings = clock_settings();
  if (is_wall) {
    uint64_t answer = real + (uint64_t)wall_change(&settings);
    note_change(FAULT_LAST_WALL_SHOWN, answer, real);
    return answer;
  }
  uint64_t answer = never_before_the_last(clock, real + (uint64_t)monotonic_change(&settings));
  if (clock == CLOCK_MONOTONIC) note_change(FAULT_LAST_MONOTONIC_SHOWN, answer, real);
  if (clock == CLOCK_BOOTTIME) note_change(FAULT_LAST_BOOT_SHOWN, answer, real);
  return answer;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int answer = REAL(clock_gettime)(clock, time);
  if (answer != 0 || !faults_active() || !(is_wall_clock(clock) || is_monotonic_clock(clock)))
    return answer;
  faults_depth++;
  *time = timespec_of(shown(clock, nanoseconds_of(time)));
  faults_depth--;
  return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  int answer = REAL(gettimeofday)(time, zone);
  if (answer != 0 || !faults_active()) return answer;
  faults_depth++;
  uint64_t real = (uint64_t)time->tv_sec * 1000000000ull + (uint64_t)time->tv_usec * 1000;
  uint64_t now = shown(CLOCK_REALTIME, real);
  time->tv_sec = (time_t)(now / 1000000000);
  time->tv_usec = (suseconds_t)(now % 1000000000 / 1000);
  faults_depth--;
  return 0;
}

time_t time(time_t *into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (into != NULL) *into = now.tv_sec;
  return now.tv_sec;
}

int timespec_get(struct timespec *time, int base) {
  if (base != TIME_UTC) return REAL(timespec_get)(time, base);
  return clock_gettime(CLOCK_REALTIME, time) == 0 ? base : 0;
}

#endif
