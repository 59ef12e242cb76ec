// Reads that take longer, and reads whose answer has a bit flipped now and then.
#include "faults.h"

#ifdef __linux__

/// Before a read: waits for as long as it is told. By then the thread holds none of our locks.
static void delay_sometimes(int descriptor) {
  if (!faults_active() || setting(FAULT_READ_DELAY_NS) == 0) return;
  faults_depth++;
  int before = errno;
  struct file *file = file_of(descriptor);
  if (file != NULL && !file->is_directory && file_matches(file, FAULT_PATTERN_READ)) {
    uint64_t delay = setting(FAULT_READ_DELAY_NS);
    struct timespec rest = {(time_t)(delay / 1000000000), (long)(delay % 1000000000)};
    while (REAL(nanosleep)(&rest, &rest) != 0 && errno == EINTR) continue;
    count(FAULT_READS_DELAYED);
  }
  errno = before;
  faults_depth--;
}

static void flip_sometimes(int descriptor, char *bytes, ssize_t length) {
  if (length <= 0 || !faults_active()) return;
  faults_depth++;
  int before = errno;
  struct file *file = file_of(descriptor);
  if (file != NULL && !file->is_directory) {
    count(FAULT_READS);
    uint64_t chance = setting(FAULT_READ_FLIPS_PPM);
    if (chance > 0 && roughly_random() % 1000000 < chance
        && file_matches(file, FAULT_PATTERN_READ)) {
      uint64_t place = roughly_random() % ((uint64_t)length * 8);
      bytes[place / 8] = (char)(bytes[place / 8] ^ (1 << place % 8));
      count(FAULT_READS_FLIPPED);
    }
  }
  errno = before;
  faults_depth--;
}

ssize_t read(int descriptor, void *bytes, size_t length) {
  delay_sometimes(descriptor);
  ssize_t got = REAL(read)(descriptor, bytes, length);
  flip_sometimes(descriptor, bytes, got);
  return got;
}

ssize_t pread(int descriptor, void *bytes, size_t length, off_t offset) {
  delay_sometimes(descriptor);
  ssize_t got = REAL(pread)(descriptor, bytes, length, offset);
  flip_sometimes(descriptor, bytes, got);
  return got;
}
ssize_t pread64(int, void *, size_t, off_t) __attribute__((alias("pread")));

#endif
