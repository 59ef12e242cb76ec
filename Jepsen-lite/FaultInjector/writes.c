// Calls that change what stands in a file.
#include "faults.h"

#ifdef __linux__

#include <sys/mman.h>
#include <sys/sendfile.h>

/// A write of any kind: what has no offset of its own has offset -1.
struct write_call {
  int descriptor;
  const struct iovec *parts;
  int part_count;
  off_t offset;
  /// Of pwritev2.
  int flags;
};

static ssize_t pass_on(const struct write_call *call) {
  if (call->flags != 0)
    return REAL(pwritev2)(call->descriptor, call->parts, call->part_count, call->offset,
                          call->flags);
  if (call->part_count == 1)
    return call->offset < 0
               ? REAL(write)(call->descriptor, call->parts->iov_base, call->parts->iov_len)
               : REAL(pwrite)(call->descriptor, call->parts->iov_base, call->parts->iov_len,
                              call->offset);
  return call->offset < 0
             ? REAL(writev)(call->descriptor, call->parts, call->part_count)
             : REAL(pwritev)(call->descriptor, call->parts, call->part_count, call->offset);
}

static uint64_t length_of(const struct write_call *call) {
  uint64_t length = 0;
  for (int part = 0; part < call->part_count; part++) length += call->parts[part].iov_len;
  return length;
}

/// With the file's lock held.
static ssize_t write_recorded(struct file *file, const struct write_call *call) {
  struct stat status;
  uint64_t length = length_of(call);
  if (length == 0 || fstat(call->descriptor, &status) != 0) return pass_on(call);
  uint64_t size = (uint64_t)status.st_size;
  uint64_t offset = size;
  if (!appends(call->descriptor) && !(call->flags & RWF_APPEND)) {
    off_t own = call->offset >= 0 ? call->offset : lseek(call->descriptor, 0, SEEK_CUR);
    if (own < 0) return pass_on(call);
    offset = (uint64_t)own;
  }
  uint64_t room = room_for(file, offset, length, size);
  if (room == 0) {
    errno = ENOSPC;
    return -1;
  }
  struct write_call shorter = *call;
  struct iovec part = call->parts[0];
  if (room < length) {
    // A short answer is allowed: the first part alone will do.
    if (part.iov_len > room) part.iov_len = room;
    shorter.parts = &part;
    shorter.part_count = 1;
    length = part.iov_len;
  }
  uint64_t sequence = journal_write(file, call->descriptor, offset, length, size);
  ssize_t written = pass_on(&shorter);
  if (written > 0) {
    count(FAULT_WRITES);
    fault_add(faults_words, FAULT_BYTES_WRITTEN, (uint64_t)written);
    if (syncs_each_write(call->descriptor) || call->flags & (RWF_SYNC | RWF_DSYNC))
      journal_synced(file, sequence, sequence + 1, true);
  }
  return written;
}

static ssize_t write_anyhow(const struct write_call *call) {
  if (!faults_active()) return pass_on(call);
  faults_depth++;
  struct file *file = file_of(call->descriptor);
  ssize_t written;
  if (file == NULL) {
    written = pass_on(call);
  } else {
    slow_down(file, false);
    pthread_mutex_lock(&file->lock);
    written = write_recorded(file, call);
    int after = errno;
    pthread_mutex_unlock(&file->lock);
    errno = after;
  }
  faults_depth--;
  return written;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
  struct iovec part = {(void *)(uintptr_t)bytes, length};
  return write_anyhow(&(struct write_call){descriptor, &part, 1, -1, 0});
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
  struct iovec part = {(void *)(uintptr_t)bytes, length};
  if (offset < 0) return REAL(pwrite)(descriptor, bytes, length, offset);
  return write_anyhow(&(struct write_call){descriptor, &part, 1, offset, 0});
}
ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));

ssize_t writev(int descriptor, const struct iovec *parts, int part_count) {
  if (part_count < 1) return REAL(writev)(descriptor, parts, part_count);
  return write_anyhow(&(struct write_call){descriptor, parts, part_count, -1, 0});
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int part_count, off_t offset) {
  if (offset < 0 || part_count < 1) return REAL(pwritev)(descriptor, parts, part_count, offset);
  return write_anyhow(&(struct write_call){descriptor, parts, part_count, offset, 0});
}
ssize_t pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));

ssize_t pwritev2(int descriptor, const struct iovec *parts, int part_count, off_t offset,
                 int flags) {
  if (offset < -1 || part_count < 1)
    return REAL(pwritev2)(descriptor, parts, part_count, offset, flags);
  return write_anyhow(&(struct write_call){descriptor, parts, part_count, offset, flags});
}
ssize_t pwritev64v2(int, const struct iovec *, int, off_t, int) __attribute__((alias("pwritev2")));

// Lengths.

/// Enters the library for a file that is followed; NULL where the call is to be passed on.
static struct file *enter(int descriptor) {
  if (!faults_active()) return NULL;
  faults_depth++;
  struct file *file = file_of(descriptor);
  if (file == NULL) {
    faults_depth--;
    return NULL;
  }
  slow_down(file, false);
  pthread_mutex_lock(&file->lock);
  return file;
}

static void leave(struct file *file) {
  int after = errno;
  pthread_mutex_unlock(&file->lock);
  faults_depth--;
  errno = after;
}

static uint64_t size_of(int descriptor) {
  struct stat status;
  return fstat(descriptor, &status) == 0 ? (uint64_t)status.st_size : 0;
}

int ftruncate(int descriptor, off_t length) {
  struct file *file = length >= 0 ? enter(descriptor) : NULL;
  if (file == NULL) return REAL(ftruncate)(descriptor, length);
  uint64_t size = size_of(descriptor);
  if (size != (uint64_t)length) journal_resize(file, descriptor, (uint64_t)length, size);
  int answer = REAL(ftruncate)(descriptor, length);
  leave(file);
  return answer;
}
int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));

int truncate(const char *path, off_t length) {
  if (!faults_active()) return REAL(truncate)(path, length);
  int descriptor = open(path, O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return REAL(truncate)(path, length);
  int answer = ftruncate(descriptor, length);
  int after = errno;
  close(descriptor);
  errno = after;
  return answer;
}
int truncate64(const char *, off_t) __attribute__((alias("truncate")));

/// Records what an allocation is about to change; false where the disk is full.
static bool record_allocation(struct file *file, int descriptor, int mode, uint64_t offset,
                              uint64_t length) {
  uint64_t size = size_of(descriptor);
  bool makes_longer = !(mode & FALLOC_FL_KEEP_SIZE) && offset + length > size;
  if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
    count(FAULT_UNTRACKED_WRITES);
    return true;
  }
  if (!(mode & FALLOC_FL_PUNCH_HOLE) && room_for(file, offset, length, size) < length)
    return false;
  if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) && offset < size) {
    uint64_t end = offset + length < size ? offset + length : size;
    journal_write(file, descriptor, offset, end - offset, size);
  }
  if (makes_longer) journal_resize(file, descriptor, offset + length, size);
  return true;
}

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
  struct file *file = offset >= 0 && length > 0 ? enter(descriptor) : NULL;
  if (file == NULL) return REAL(fallocate)(descriptor, mode, offset, length);
  int answer = -1;
  if (record_allocation(file, descriptor, mode, (uint64_t)offset, (uint64_t)length))
    answer = REAL(fallocate)(descriptor, mode, offset, length);
  else
    errno = ENOSPC;
  leave(file);
  return answer;
}
int fallocate64(int, int, off_t, off_t) __attribute__((alias("fallocate")));

int posix_fallocate(int descriptor, off_t offset, off_t length) {
  struct file *file = offset >= 0 && length > 0 ? enter(descriptor) : NULL;
  if (file == NULL) return REAL(posix_fallocate)(descriptor, offset, length);
  int answer = ENOSPC;
  if (record_allocation(file, descriptor, 0, (uint64_t)offset, (uint64_t)length))
    answer = REAL(posix_fallocate)(descriptor, offset, length);
  leave(file);
  return answer;
}
int posix_fallocate64(int, off_t, off_t) __attribute__((alias("posix_fallocate")));

// What the journal can't follow is counted, so that a power loss says that it is not exact.

static void note_untracked(int descriptor, enum fault_word word) {
  if (!faults_active()) return;
  faults_depth++;
  int before = errno;
  if (file_of(descriptor) != NULL) count(word);
  errno = before;
  faults_depth--;
}

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  if (descriptor >= 0 && (flags & MAP_TYPE) != MAP_PRIVATE && protection & PROT_WRITE)
    note_untracked(descriptor, FAULT_SHARED_MAPPINGS);
  return REAL(mmap)(address, length, protection, flags, descriptor, offset);
}
void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));

ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length,
                        unsigned flags) {
  note_untracked(to, FAULT_UNTRACKED_WRITES);
  return REAL(copy_file_range)(from, from_offset, to, to_offset, length, flags);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t length) {
  note_untracked(to, FAULT_UNTRACKED_WRITES);
  return REAL(sendfile)(to, from, offset, length);
}
ssize_t sendfile64(int, int, off_t *, size_t) __attribute__((alias("sendfile")));

ssize_t splice(int from, off_t *from_offset, int to, off_t *to_offset, size_t length,
               unsigned flags) {
  note_untracked(to, FAULT_UNTRACKED_WRITES);
  return REAL(splice)(from, from_offset, to, to_offset, length, flags);
}

#endif
