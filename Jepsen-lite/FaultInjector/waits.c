// Waiting. A program that waits until a time of a clock that is off means the time that it was
// shown: it is translated into the real one, or the program would sleep for an hour, or spin.
// Lengths of time stay real, unless the harness has them follow the rate of the clock.
#include "faults.h"

#ifdef __linux__

#include "clock.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

static uint64_t scaled(const struct clock_settings *settings, uint64_t length) {
  if (!settings->scales_waits || settings->rate == 0) return length;
  // Rounded up: a timer that fires too early is only armed again.
  double factor = 1000000.0 / (1000000.0 + (double)settings->rate);
  return (uint64_t)((double)length * factor) + 1;
}

/// Whether clocks are off; then their settings.
static bool are_changed(struct clock_settings *settings) {
  if (!faults_active() || setting(FAULT_CLOCK_ACTIVE) == 0) return false;
  *settings = clock_settings();
  count(FAULT_WAITS_CHANGED);
  return true;
}

/// The real time of a deadline that was reckoned by the clock as it is shown.
static const struct timespec *real_deadline(clockid_t clock, const struct timespec *deadline,
                                            struct timespec *real) {
  struct clock_settings settings;
  if (deadline == NULL || !are_changed(&settings)) return deadline;
  bool is_wall = is_wall_clock(clock);
  if (!is_wall && !is_monotonic_clock(clock)) return deadline;
  uint64_t now = real_clock(clock);
  int64_t change = is_wall ? wall_change(&settings) : monotonic_change(&settings);
  int64_t left = (int64_t)nanoseconds_of(deadline) - (int64_t)now - change;
  if (left > 0 && !is_wall) left = (int64_t)scaled(&settings, (uint64_t)left);
  int64_t wanted = (int64_t)now + left;
  *real = timespec_of(wanted > 0 ? (uint64_t)wanted : 0);
  return real;
}

/// The clock of a condition is not to be seen; but the monotonic clocks count from the start of
/// the machine, and the other from 1970.
static clockid_t clock_of(const struct timespec *deadline) {
  return deadline->tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
}

typedef int (*timed_wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline) {
  static timed_wait found;
  timed_wait wait = __atomic_load_n(&found, __ATOMIC_RELAXED);
  if (wait == NULL) {
    // There is an older one of that name, for conditions of another layout.
    wait = (timed_wait)faults_find_version("pthread_cond_timedwait", "GLIBC_2.3.2");
    __atomic_store_n(&found, wait, __ATOMIC_RELAXED);
  }
  struct timespec real;
  return wait(condition, mutex, real_deadline(clock_of(deadline), deadline, &real));
}

int pthread_cond_clockwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           clockid_t clock, const struct timespec *restrict deadline) {
  struct timespec real;
  return REAL(pthread_cond_clockwait)(condition, mutex, clock,
                                      real_deadline(clock, deadline, &real));
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex,
                            const struct timespec *restrict deadline) {
  struct timespec real;
  return REAL(pthread_mutex_timedlock)(mutex, real_deadline(CLOCK_REALTIME, deadline, &real));
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
  struct timespec real;
  return REAL(sem_timedwait)(semaphore, real_deadline(CLOCK_REALTIME, deadline, &real));
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock,
                  const struct timespec *restrict deadline) {
  struct timespec real;
  return REAL(sem_clockwait)(semaphore, clock, real_deadline(clock, deadline, &real));
}

int timerfd_settime(int descriptor, int flags, const struct itimerspec *new,
                    struct itimerspec *old) {
  bool is_set = new != NULL && (new->it_value.tv_sec != 0 || new->it_value.tv_nsec != 0);
  if (!(flags & TFD_TIMER_ABSTIME) || !is_set)
    return REAL(timerfd_settime)(descriptor, flags, new, old);
  struct itimerspec changed = *new;
  struct timespec real;
  changed.it_value = *real_deadline(clock_of(&new->it_value), &new->it_value, &real);
  // Zero would disarm it.
  if (changed.it_value.tv_sec == 0 && changed.it_value.tv_nsec == 0) changed.it_value.tv_nsec = 1;
  return REAL(timerfd_settime)(descriptor, flags, &changed, old);
}

// Lengths of time.

static int scaled_milliseconds(int timeout) {
  struct clock_settings settings;
  if (timeout <= 0 || !faults_active() || setting(FAULT_SCALE_WAITS) == 0
      || !are_changed(&settings))
    return timeout;
  uint64_t length = (scaled(&settings, (uint64_t)timeout * 1000000) + 999999) / 1000000;
  return length > INT_MAX ? INT_MAX : (int)length;
}

static const struct timespec *scaled_length(const struct timespec *length,
                                            struct timespec *changed) {
  struct clock_settings settings;
  if (length == NULL || !faults_active() || setting(FAULT_SCALE_WAITS) == 0
      || !are_changed(&settings))
    return length;
  *changed = timespec_of(scaled(&settings, nanoseconds_of(length)));
  return changed;
}

int epoll_wait(int descriptor, struct epoll_event *events, int most, int timeout) {
  return REAL(epoll_wait)(descriptor, events, most, scaled_milliseconds(timeout));
}

int epoll_pwait(int descriptor, struct epoll_event *events, int most, int timeout,
                const sigset_t *mask) {
  return REAL(epoll_pwait)(descriptor, events, most, scaled_milliseconds(timeout), mask);
}

int poll(struct pollfd *descriptors, nfds_t number, int timeout) {
  return REAL(poll)(descriptors, number, scaled_milliseconds(timeout));
}

int nanosleep(const struct timespec *length, struct timespec *rest) {
  struct timespec changed;
  return REAL(nanosleep)(scaled_length(length, &changed), rest);
}

int usleep(useconds_t length) {
  struct timespec wanted = timespec_of((uint64_t)length * 1000);
  return nanosleep(&wanted, NULL);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                    struct timespec *rest) {
  struct timespec changed;
  const struct timespec *wanted = flags & TIMER_ABSTIME ? real_deadline(clock, time, &changed)
                                                        : scaled_length(time, &changed);
  return REAL(clock_nanosleep)(clock, flags, wanted, rest);
}

#endif
