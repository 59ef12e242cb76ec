// The journal of what is not durable. It lies in a mapped file, so that it survives the process,
// and is written ahead of each change. One half holds the records; when it fills, those that still
// matter move to the other half, which one store makes the active one.
#include "faults.h"

#ifdef __linux__

#include <stdio.h>
#include <sys/mman.h>

/// Appends of a file that has this many records join the last one.
enum { RECORDS_BEFORE_JOINING = 64 };
/// Below this many bytes nothing is gained by compaction.
enum { COMPACT_FROM = 1 << 20 };

static pthread_mutex_t journal_lock = PTHREAD_MUTEX_INITIALIZER;
static char *journal;
static uint64_t *head;
static uint64_t capacity;
static int folder = -1;
static uint64_t compact_at;
// Changes of names, in one list for all directories.
static uint64_t first_name, last_name;

static uint64_t half_start(uint64_t half) { return FAULT_JOURNAL_HEADER + half * capacity; }
static uint64_t active(void) { return fault_load(head, FAULT_JOURNAL_ACTIVE); }
static int tail_word(uint64_t half) { return (int)(FAULT_JOURNAL_TAIL_0 + half); }
static struct fault_record *at(uint64_t offset) {
  return (struct fault_record *)(journal + offset);
}
static char *payload_of(struct fault_record *record) { return (char *)(record + 1); }
static bool is_about_names(const struct fault_record *record) {
  return record->kind >= FAULT_RECORD_CREATE;
}

/// Puts a record at the end of its file's list, or of that of the names.
static void enlist(struct fault_record *record, uint64_t offset, struct file *file) {
  record->next = 0;
  uint64_t *first = file != NULL ? &file->first : &first_name;
  uint64_t *last = file != NULL ? &file->last : &last_name;
  if (*last != 0)
    at(*last)->next = offset;
  else
    *first = offset;
  *last = offset;
  if (file != NULL) file->records++;
}

static void forget_list(struct file *file, void *context) {
  (void)context;
  file->first = file->last = file->records = 0;
}

static void enlist_again(struct fault_record *record) {
  uint64_t offset = (uint64_t)((char *)record - journal);
  struct file *file =
      is_about_names(record) ? NULL : file_by_inode(record->device, record->inode, true);
  enlist(record, offset, file);
}

/// Copies what still matters to the other half.
static void compact(void) {
  uint64_t old = active(), new = 1 - old;
  uint64_t from = half_start(old), end = from + fault_load(head, tail_word(old));
  uint64_t to = half_start(new);
  for_each_file(forget_list, NULL);
  first_name = last_name = 0;
  while (from < end) {
    struct fault_record *record = at(from);
    from += record->size;
    if (record->state == FAULT_RECORD_DEAD) continue;
    memcpy(journal + to, record, record->size);
    enlist_again(at(to));
    to += record->size;
  }
  fault_store(head, tail_word(new), to - half_start(new));
  fault_store(head, FAULT_JOURNAL_ACTIVE, new);
  compact_at = COMPACT_FROM + 2 * (to - half_start(new));
  count(FAULT_COMPACTIONS);
}

/// Room for a record of that many bytes; NULL where the journal is full.
static struct fault_record *reserve(uint64_t size) {
  uint64_t tail = fault_load(head, tail_word(active()));
  if (tail + size > capacity || tail > compact_at) {
    compact();
    tail = fault_load(head, tail_word(active()));
  }
  if (size > capacity || tail + size > capacity || size > UINT32_MAX) {
    count(FAULT_JOURNAL_OVERFLOWS);
    return NULL;
  }
  struct fault_record *record = at(half_start(active()) + tail);
  memset(record, 0, sizeof *record);
  record->size = (uint32_t)size;
  record->state = FAULT_RECORD_PENDING;
  return record;
}

/// Makes a record that is complete a part of the journal, before the change is made.
static uint64_t publish(struct fault_record *record, struct file *file) {
  record->sequence = fault_add(head, FAULT_JOURNAL_NEXT_SEQUENCE, 1);
  enlist(record, (uint64_t)((char *)record - journal), file);
  uint64_t half = active();
  uint64_t tail = fault_load(head, tail_word(half)) + record->size;
  fault_store(head, tail_word(half), tail);
  fault_store(faults_words, FAULT_JOURNAL_BYTES, tail);
  return record->sequence;
}

static uint64_t padded(uint64_t bytes) { return (bytes + 7) & ~7ull; }

/// Reads what stands in a file, through a descriptor of its own where the given one is only for
/// writing.
static uint64_t read_before(int descriptor, char *into, uint64_t length, uint64_t offset) {
  uint64_t filled = 0;
  int own = -1;
  while (filled < length) {
    ssize_t got = REAL(pread)(own >= 0 ? own : descriptor, into + filled, length - filled,
                              (off_t)(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EBADF && own < 0) {
      char path[40];
      snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
      own = REAL(open)(path, O_RDONLY | O_CLOEXEC);
      if (own >= 0) continue;
    }
    if (got <= 0) break;
    filled += (uint64_t)got;
  }
  if (own >= 0) REAL(close)(own);
  return filled;
}

/// A pure append that goes on where the last record ends, and that no sync has come between.
static bool join(struct file *file, uint64_t offset, uint64_t length, uint64_t size,
                 uint64_t *sequence) {
  if (file->records < RECORDS_BEFORE_JOINING || offset != size || file->last == 0) return false;
  struct fault_record *last = at(file->last);
  if (last->kind != FAULT_RECORD_WRITE || last->state != FAULT_RECORD_PENDING
      || last->payload != 0 || last->offset + last->length != offset
      || last->sequence < file->sync_begun)
    return false;
  last->length += length;
  *sequence = last->sequence;
  return true;
}

static uint64_t record_change(enum fault_record_kind kind, struct file *file, int descriptor,
                              uint64_t offset, uint64_t length, uint64_t size, uint64_t from,
                              uint64_t to) {
  uint64_t sequence = 0;
  uint64_t before = to > from ? to - from : 0;
  pthread_mutex_lock(&journal_lock);
  if (kind != FAULT_RECORD_WRITE || !join(file, offset, length, size, &sequence)) {
    struct fault_record *record = reserve(sizeof(struct fault_record) + padded(before));
    if (record != NULL) {
      record->kind = (uint16_t)kind;
      record->device = file->device;
      record->inode = file->inode;
      record->offset = offset;
      record->length = length;
      record->old_size = size;
      record->payload = read_before(descriptor, payload_of(record), before, from);
      sequence = publish(record, file);
    }
  }
  pthread_mutex_unlock(&journal_lock);
  return sequence;
}

uint64_t journal_write(struct file *file, int descriptor, uint64_t offset, uint64_t length,
                       uint64_t size) {
  uint64_t end = offset + length < size ? offset + length : size;
  return record_change(FAULT_RECORD_WRITE, file, descriptor, offset, length, size, offset, end);
}

uint64_t journal_resize(struct file *file, int descriptor, uint64_t length, uint64_t size) {
  return record_change(FAULT_RECORD_RESIZE, file, descriptor, 0, length, size, length, size);
}

uint64_t journal_name(enum fault_record_kind kind, const struct place *place,
                      const struct place *other, const char *kept) {
  size_t lengths[3] = {strlen(place->path) + 1, other != NULL ? strlen(other->path) + 1 : 1,
                       strlen(kept) + 1};
  const char *texts[3] = {place->path, other != NULL ? other->path : "", kept};
  uint64_t payload = lengths[0] + lengths[1] + lengths[2];
  uint64_t sequence = 0;
  pthread_mutex_lock(&journal_lock);
  struct fault_record *record = reserve(sizeof(struct fault_record) + padded(payload));
  if (record != NULL) {
    record->kind = (uint16_t)kind;
    record->device = place->device;
    record->inode = place->directory;
    record->other_inode = other != NULL ? other->directory : place->directory;
    record->payload = payload;
    char *to = payload_of(record);
    for (int index = 0; index < 3; index++) {
      memcpy(to, texts[index], lengths[index]);
      to += lengths[index];
    }
    sequence = publish(record, NULL);
  }
  pthread_mutex_unlock(&journal_lock);
  return sequence;
}

/// The third text of a name's payload.
static const char *kept_of(struct fault_record *record) {
  const char *text = payload_of(record);
  text += strlen(text) + 1;
  return text + strlen(text) + 1;
}

void journal_drop_kept(const char *kept) {
  if (kept[0] == 0) return;
  struct stat status;
  bool is_gone = fstatat(folder, kept, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_nlink == 1;
  REAL(unlinkat)(folder, kept, 0);
  // Its number may be given to another file now.
  if (is_gone) journal_forget(status.st_dev, status.st_ino);
}

void journal_keep(int directory, const char *path, char kept[32]) {
  struct stat status;
  kept[0] = 0;
  if (fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
    return;
  uint64_t number = fault_add(head, FAULT_JOURNAL_NEXT_KEPT, 1);
  snprintf(kept, 32, "kept-%llu", (unsigned long long)number);
  if (REAL(linkat)(directory, path, folder, kept, 0) != 0) {
    kept[0] = 0;
    count(FAULT_UNTRACKED_NAMES);
  }
}

uint64_t journal_sequence(void) { return fault_load(head, FAULT_JOURNAL_NEXT_SEQUENCE); }

/// Takes the dead records out of a list.
static void unlist_dead(uint64_t *first, uint64_t *last, uint64_t *live) {
  uint64_t offset = *first, before = 0;
  *first = *last = 0;
  if (live != NULL) *live = 0;
  for (; offset != 0; offset = at(offset)->next) {
    if (at(offset)->state == FAULT_RECORD_DEAD) continue;
    if (before != 0)
      at(before)->next = offset;
    else
      *first = offset;
    before = *last = offset;
    if (live != NULL) (*live)++;
  }
  if (before != 0) at(before)->next = 0;
}

void journal_synced(struct file *file, uint64_t low, uint64_t high, bool succeeded) {
  pthread_mutex_lock(&journal_lock);
  // What lies over something that is not durable is kept, so that undoing the one does not undo
  // the other.
  bool lies_over = false;
  for (uint64_t offset = file->first; offset != 0; offset = at(offset)->next) {
    struct fault_record *record = at(offset);
    bool is_covered = record->sequence >= low && record->sequence < high;
    if (is_covered && record->state == FAULT_RECORD_PENDING)
      record->state = succeeded ? FAULT_RECORD_DURABLE : FAULT_RECORD_FAILED;
    if (record->state == FAULT_RECORD_DURABLE && !lies_over) record->state = FAULT_RECORD_DEAD;
    if (record->state != FAULT_RECORD_DEAD) lies_over = true;
  }
  unlist_dead(&file->first, &file->last, &file->records);
  pthread_mutex_unlock(&journal_lock);
}

/// The next change of names that a sync of the directory makes durable; its kept file.
static bool take_durable_name(struct file *directory, uint64_t high, char kept[32]) {
  bool found = false;
  pthread_mutex_lock(&journal_lock);
  for (uint64_t offset = first_name; offset != 0 && !found; offset = at(offset)->next) {
    struct fault_record *record = at(offset);
    if (record->state != FAULT_RECORD_PENDING || record->sequence >= high
        || record->device != directory->device
        || (record->inode != directory->inode && record->other_inode != directory->inode))
      continue;
    snprintf(kept, 32, "%s", kept_of(record));
    record->state = FAULT_RECORD_DEAD;
    found = true;
  }
  if (!found) unlist_dead(&first_name, &last_name, NULL);
  pthread_mutex_unlock(&journal_lock);
  return found;
}

void journal_directory_synced(struct file *directory, uint64_t high) {
  char kept[32];
  while (take_durable_name(directory, high, kept)) journal_drop_kept(kept);
}

void journal_cancel_name(uint64_t sequence) {
  pthread_mutex_lock(&journal_lock);
  for (uint64_t offset = first_name; offset != 0; offset = at(offset)->next)
    if (at(offset)->sequence == sequence) at(offset)->state = FAULT_RECORD_DEAD;
  unlist_dead(&first_name, &last_name, NULL);
  pthread_mutex_unlock(&journal_lock);
}

void journal_forget(uint64_t device, uint64_t inode) {
  struct file *file = file_by_inode(device, inode, false);
  if (file == NULL) return;
  pthread_mutex_lock(&journal_lock);
  for (uint64_t offset = file->first; offset != 0; offset = at(offset)->next)
    at(offset)->state = FAULT_RECORD_DEAD;
  file->first = file->last = file->records = 0;
  pthread_mutex_unlock(&journal_lock);
}

/// Goes on with what the process before left: its bytes are still only with the system.
static void attach(void) {
  uint64_t offset = half_start(active());
  uint64_t end = offset + fault_load(head, tail_word(active()));
  while (offset < end) {
    struct fault_record *record = at(offset);
    if (record->size < sizeof *record) break;
    if (record->state != FAULT_RECORD_DEAD) enlist_again(record);
    offset += record->size;
  }
}

bool journal_start(const char *path, uint64_t limit) {
  capacity = padded(limit);
  folder = REAL(open)(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return false;
  int high = REAL(fcntl)(folder, F_DUPFD_CLOEXEC, 512);
  if (high >= 0) {
    REAL(close)(folder);
    folder = high;
  }
  int file = REAL(openat)(folder, "journal", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  uint64_t size = FAULT_JOURNAL_HEADER + 2 * capacity;
  if (file < 0 || REAL(ftruncate)(file, (off_t)size) != 0) return false;
  void *map = REAL(mmap)(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  REAL(close)(file);
  if (map == MAP_FAILED) return false;
  journal = map;
  head = map;
  if (fault_load(head, FAULT_JOURNAL_MAGIC_WORD) == FAULT_JOURNAL_MAGIC) {
    if (fault_load(head, FAULT_JOURNAL_VERSION) != FAULT_CONTROL_VERSION
        || fault_load(head, FAULT_JOURNAL_CAPACITY) != capacity)
      return false;
    attach();
  } else {
    fault_store(head, FAULT_JOURNAL_VERSION, FAULT_CONTROL_VERSION);
    fault_store(head, FAULT_JOURNAL_CAPACITY, capacity);
    fault_store(head, FAULT_JOURNAL_NEXT_SEQUENCE, 1);
    fault_store(head, FAULT_JOURNAL_MAGIC_WORD, FAULT_JOURNAL_MAGIC);
  }
  compact_at = COMPACT_FROM + 2 * fault_load(head, tail_word(active()));
  return true;
}

#endif
