// A slow disk, a stalled one, and a full one.
#include "faults.h"

#ifdef __linux__

/// Waits in small steps, since what it waits for may be changed or ended at any time.
static void wait_out_stall(enum fault_word word) {
  if (setting(word) <= real_monotonic()) return;
  count(FAULT_STALLS);
  count(FAULT_STALLED_NOW);
  uint64_t begun = real_monotonic();
  const struct timespec step = {0, 1000000};
  while (setting(word) > real_monotonic()) REAL(nanosleep)(&step, NULL);
  fault_add(faults_words, FAULT_STALLED_NOW, (uint64_t)-1);
  fault_add(faults_words, FAULT_DELAY_TOTAL_NS, real_monotonic() - begun);
}

static void wait_longer(uint64_t delay) {
  uint64_t jitter = setting(FAULT_DELAY_JITTER_NS);
  if (jitter > 0) delay += roughly_random() % jitter;
  struct timespec rest = {(time_t)(delay / 1000000000), (long)(delay % 1000000000)};
  while (REAL(nanosleep)(&rest, &rest) != 0 && errno == EINTR) continue;
  count(FAULT_DELAYS);
  fault_add(faults_words, FAULT_DELAY_TOTAL_NS, delay);
}

void slow_down(struct file *file, bool is_sync) {
  enum fault_word stall = is_sync ? FAULT_SYNC_STALL_UNTIL : FAULT_WRITE_STALL_UNTIL;
  uint64_t delay = setting(is_sync ? FAULT_SYNC_DELAY_NS : FAULT_WRITE_DELAY_NS);
  if (setting(stall) == 0 && delay == 0) return;
  if (!file_matches(file, FAULT_PATTERN_SLOW)) return;
  if (setting(stall) != 0) wait_out_stall(stall);
  if (delay > 0) wait_longer(delay);
}

uint64_t room_for(struct file *file, uint64_t offset, uint64_t length, uint64_t size) {
  uint64_t mode = setting(FAULT_SPACE_MODE);
  if (mode == 0 || !pattern_matches(FAULT_PATTERN_SPACE, file->path != NULL ? file->path : ""))
    return length;
  uint64_t end = offset + length;
  uint64_t grows = end <= size ? 0 : offset >= size ? length : end - size;
  uint64_t wanted = mode == 1 ? grows : length;
  uint64_t taken = fault_take(faults_words, FAULT_SPACE_LEFT, wanted);
  if (taken < wanted) count(FAULT_SPACE_REFUSALS);
  return length - (wanted - taken);
}

bool may_make_files(const char *path) {
  if (setting(FAULT_SPACE_MODE) == 0 || setting(FAULT_SPACE_LEFT) > 0
      || !pattern_matches(FAULT_PATTERN_SPACE, path))
    return true;
  count(FAULT_SPACE_REFUSALS);
  return false;
}

#endif
