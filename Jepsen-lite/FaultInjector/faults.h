// What the files of the library share.
#ifndef FAULTS_H
#define FAULTS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fault_control.h"

// A program may have functions of these names too: only what is interposed is to be seen.
#pragma GCC visibility push(hidden)

// The next definition of a function in the order of loading: libc's, as a rule. Looked up when it
// is first needed, since other libraries call before this one's constructor has run.
void *faults_find(const char *name);
void *faults_find_version(const char *name, const char *version);

#define REAL(name)                                                                     \
  ({                                                                                   \
    static __typeof__(&name) real_found;                                               \
    __typeof__(&name) real_now = __atomic_load_n(&real_found, __ATOMIC_RELAXED);       \
    if (real_now == NULL) {                                                            \
      real_now = (__typeof__(&name))faults_find(#name);                                \
      __atomic_store_n(&real_found, real_now, __ATOMIC_RELAXED);                       \
    }                                                                                  \
    real_now;                                                                          \
  })

// control.c

/// The words of the control file; NULL where the library does nothing.
extern uint64_t *faults_words;
/// Set while a thread is inside the library: what it calls there, and what a signal handler that
/// interrupts it calls, goes straight to libc.
extern __thread int faults_depth __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline bool faults_active(void) {
  return __atomic_load_n(&faults_words, __ATOMIC_ACQUIRE) != NULL && faults_depth == 0;
}

static inline uint64_t setting(enum fault_word word) { return fault_load(faults_words, word); }
static inline void count(enum fault_word word) { fault_add(faults_words, word, 1); }

bool pattern_matches(enum fault_pattern pattern, const char *path);
/// A number that differs from call to call; nothing depends on its quality.
uint64_t roughly_random(void);
/// The real CLOCK_MONOTONIC.
uint64_t real_monotonic(void);
/// The real clock of any kind.
uint64_t real_clock(clockid_t clock);

// files.c

/// A regular file or a directory under the root, by its inode.
struct file {
  struct file *next;
  uint64_t device, inode;
  bool is_directory;
  /// Held over a write together with its record, and while a sync begins: so that a sync makes
  /// durable only what was written before it began.
  pthread_mutex_t lock;
  /// Changed under the lock.
  char *path;
  // Its live records, by offset in the journal's file, under the journal's lock. 0: none.
  uint64_t first, last, records;
  /// Records before this one may be covered by a sync that has begun.
  uint64_t sync_begun;
};

void files_start(const char *root);
bool is_below_root(const char *path);
/// The file that a descriptor is open on; NULL where it is not followed.
struct file *file_of(int descriptor);
/// The file of an inode; made where `make` says so.
struct file *file_by_inode(uint64_t device, uint64_t inode, bool make);
/// Calls for each file that was ever seen.
void for_each_file(void (*body)(struct file *, void *), void *context);
/// Takes note of a descriptor that was just opened; the file, where it is followed.
struct file *note_opened(int descriptor, int flags);
void note_closed(int descriptor);
void note_copied(int from, int to);
bool appends(int descriptor);
bool syncs_each_write(int descriptor);
void set_path(struct file *file, const char *path);
bool file_matches(struct file *file, enum fault_pattern pattern);

/// The canonical path of a name, and its directory; false where that is not under the root.
struct place {
  char path[PATH_MAX];
  uint64_t device, directory;
};
bool find_place(int directory, const char *path, struct place *place);

// journal.c

bool journal_start(const char *folder, uint64_t capacity);
/// Records that `length` bytes at `offset` are about to be replaced, or the file resized to
/// `length`. Called with the file's lock. Its sequence.
uint64_t journal_write(struct file *file, int descriptor, uint64_t offset, uint64_t length,
                       uint64_t size);
uint64_t journal_resize(struct file *file, int descriptor, uint64_t length, uint64_t size);
/// Records a change of names that is about to be made; its sequence.
uint64_t journal_name(enum fault_record_kind kind, const struct place *place,
                      const struct place *other, const char *kept);
/// Takes a change of names back that was not made.
void journal_cancel_name(uint64_t sequence);
/// What is recorded from now on has at least this sequence.
uint64_t journal_sequence(void);
/// A sync has ended that covers the records from `low` up to, but not with, `high`.
void journal_synced(struct file *file, uint64_t low, uint64_t high, bool succeeded);
void journal_directory_synced(struct file *directory, uint64_t high);
/// The inode is new, or gone: what is recorded of it is about another life.
void journal_forget(uint64_t device, uint64_t inode);
/// Keeps a file that is about to lose a name: its name in the journal's folder, or "".
void journal_keep(int directory, const char *path, char kept[32]);
void journal_drop_kept(const char *kept);

// names.c

/// Held over a change of names together with its record.
extern pthread_mutex_t names_lock;

// disk.c

void slow_down(struct file *file, bool is_sync);
/// How many of `length` bytes at `offset` may be written; 0 where the disk is full.
uint64_t room_for(struct file *file, uint64_t offset, uint64_t length, uint64_t size);
bool may_make_files(const char *path);

#pragma GCC visibility pop

#endif
