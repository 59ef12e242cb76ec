// What the harness and the library inside a node's process share.
//
// The control file is an array of 64-bit words, mapped by both sides: settings, which the harness
// writes, and counters, which the library writes and which prove that a fault had an effect. Signed
// values are stored as two's complement.
//
// The journal is a file of records, mapped by the library: what has to be undone in order to get
// back to what was durable. It is read by the harness when the process is dead.
//
// Both are memory that the harness holds, so that the disk that is disturbed has no work from it.
#ifndef FAULT_CONTROL_H
#define FAULT_CONTROL_H

#include <stdint.h>

#define FAULT_CONTROL_MAGIC 0x4b56464c54435452ull
#define FAULT_CONTROL_VERSION 2

/// Bytes of the control file: the words, then the patterns.
#define FAULT_CONTROL_SIZE 8192
#define FAULT_PATTERNS_OFFSET 4096
/// Bytes of a pattern, with its closing zero.
#define FAULT_PATTERN_SIZE 256

/// A pattern is a part of the paths that a fault is for; empty: of all files under the root.
enum fault_pattern {
  FAULT_PATTERN_SYNC,
  FAULT_PATTERN_LIE,
  FAULT_PATTERN_SPACE,
  FAULT_PATTERN_SLOW,
  FAULT_PATTERN_READ,
  FAULT_PATTERN_COUNT
};

enum fault_word {
  FAULT_MAGIC,
  FAULT_VERSION,
  /// The process that has the library and the journal. Zero: none has.
  FAULT_OWNER,
  /// How often a process has taken the library since the control file was made.
  FAULT_LOADS,
  /// Bytes that each half of the journal may hold.
  FAULT_JOURNAL_LIMIT,

  // Settings of the disk.
  /// So many of the next syncs answer EIO.
  FAULT_SYNC_FAILURES,
  /// Syncs answer success and do nothing.
  FAULT_SYNC_LIES,
  /// 0: no limit. 1: growing files counts against the space left. 2: every byte written does.
  FAULT_SPACE_MODE,
  FAULT_SPACE_LEFT,
  FAULT_WRITE_DELAY_NS,
  FAULT_SYNC_DELAY_NS,
  FAULT_DELAY_JITTER_NS,
  /// Syncs (writes) that begin before this time of the real CLOCK_MONOTONIC wait for it.
  FAULT_SYNC_STALL_UNTIL,
  FAULT_WRITE_STALL_UNTIL,
  /// Reads out of a million whose answer has one bit flipped.
  FAULT_READ_FLIPS_PPM,
  /// Each read takes that much longer.
  FAULT_READ_DELAY_NS,

  // Settings of the clocks. They change together: the sequence is odd while they do.
  FAULT_CLOCK_SEQUENCE,
  FAULT_CLOCK_ACTIVE,
  /// Added to CLOCK_REALTIME.
  FAULT_WALL_OFFSET_NS,
  /// Added to it besides, in every other stretch of that length.
  FAULT_STROBE_OFFSET_NS,
  FAULT_STROBE_PERIOD_NS,
  /// The monotonic clocks show: real + shift + (real CLOCK_MONOTONIC - anchor) x rate / 1,000,000.
  FAULT_RATE_ANCHOR_NS,
  FAULT_RATE_SHIFT_NS,
  FAULT_RATE_PPM,
  /// Whether waiting (epoll_wait, poll, nanosleep, timed locks) is shortened or stretched with it.
  FAULT_SCALE_WAITS,

  FAULT_COUNTERS = 64,
  FAULT_WRITES = FAULT_COUNTERS,
  FAULT_BYTES_WRITTEN,
  FAULT_SYNCS,
  FAULT_DIRECTORY_SYNCS,
  FAULT_NAME_CHANGES,
  FAULT_SYNCS_FAILED,
  FAULT_SYNCS_LIED,
  FAULT_SPACE_REFUSALS,
  FAULT_DELAYS,
  FAULT_DELAY_TOTAL_NS,
  /// Calls that wait in a stall now, and calls that ever did.
  FAULT_STALLED_NOW,
  FAULT_STALLS,
  FAULT_READS,
  FAULT_READS_FLIPPED,
  FAULT_READS_DELAYED,
  FAULT_WALL_READS,
  FAULT_MONOTONIC_READS,
  /// Reads that were answered with something else than the real time.
  FAULT_CLOCK_READS_CHANGED,
  /// The last answers that were changed: shown, and real at that moment.
  FAULT_LAST_WALL_SHOWN,
  FAULT_LAST_WALL_REAL,
  FAULT_LAST_MONOTONIC_SHOWN,
  FAULT_LAST_MONOTONIC_REAL,
  FAULT_LAST_BOOT_SHOWN,
  FAULT_LAST_BOOT_REAL,
  FAULT_WAITS_CHANGED,
  // What the journal could not follow: a power loss is then not exact.
  FAULT_JOURNAL_OVERFLOWS,
  FAULT_SHARED_MAPPINGS,
  FAULT_UNTRACKED_WRITES,
  FAULT_UNTRACKED_NAMES,
  /// Bytes of the active half of the journal, and how often it was compacted.
  FAULT_JOURNAL_BYTES,
  FAULT_COMPACTIONS,
  FAULT_WORDS
};

#define FAULT_JOURNAL_MAGIC 0x4b56464c544a524eull
/// The header of the journal's file; the two halves follow it.
#define FAULT_JOURNAL_HEADER 4096

enum fault_journal_word {
  FAULT_JOURNAL_MAGIC_WORD,
  FAULT_JOURNAL_VERSION,
  FAULT_JOURNAL_CAPACITY,
  /// Which half holds the records: 0 or 1.
  FAULT_JOURNAL_ACTIVE,
  FAULT_JOURNAL_TAIL_0,
  FAULT_JOURNAL_TAIL_1,
  FAULT_JOURNAL_NEXT_SEQUENCE,
  FAULT_JOURNAL_NEXT_KEPT
};

enum fault_record_kind {
  /// Bytes of a file were replaced; the payload is what stood there.
  FAULT_RECORD_WRITE = 1,
  /// A file became shorter or longer; the payload is what followed the new end.
  FAULT_RECORD_RESIZE,
  // Names: the payload is paths, each closed by a zero: path, new path, kept copy.
  FAULT_RECORD_CREATE,
  FAULT_RECORD_UNLINK,
  FAULT_RECORD_RENAME,
  FAULT_RECORD_LINK,
  FAULT_RECORD_MAKE_DIRECTORY,
  FAULT_RECORD_REMOVE_DIRECTORY
};

enum fault_record_state {
  /// Not synced yet.
  FAULT_RECORD_PENDING = 1,
  /// Its sync failed: never durable.
  FAULT_RECORD_FAILED,
  /// Synced, but kept because something older of the same file is not durable.
  FAULT_RECORD_DURABLE,
  /// Durable, or it never happened: nothing to undo.
  FAULT_RECORD_DEAD
};

/// Times 8 bytes; the payload follows, filled up to a multiple of 8.
struct fault_record {
  uint32_t size;
  uint16_t kind;
  uint16_t state;
  uint64_t sequence;
  uint64_t device;
  /// The file; for names, the directory.
  uint64_t inode;
  /// For names: the directory of the new name.
  uint64_t other_inode;
  uint64_t offset;
  /// Bytes written, or the new size.
  uint64_t length;
  uint64_t old_size;
  uint64_t payload;
  /// The next record of the same file or directory, for the library alone.
  uint64_t next;
};

/// A file in memory, gone with the last that has it open or mapped; -1 where there is none such.
int fault_make_memory(const char *name);

// The words are read and written through these, since both sides do at any time.

static inline uint64_t fault_load(const uint64_t *words, int word) {
  return __atomic_load_n(words + word, __ATOMIC_ACQUIRE);
}

static inline void fault_store(uint64_t *words, int word, uint64_t value) {
  __atomic_store_n(words + word, value, __ATOMIC_RELEASE);
}

static inline uint64_t fault_add(uint64_t *words, int word, uint64_t value) {
  return __atomic_fetch_add(words + word, value, __ATOMIC_RELAXED);
}

/// Takes up to that many from a word, never more than it holds: what was taken.
static inline uint64_t fault_take(uint64_t *words, int word, uint64_t wanted) {
  uint64_t held = __atomic_load_n(words + word, __ATOMIC_RELAXED);
  for (;;) {
    uint64_t taken = held < wanted ? held : wanted;
    if (taken == 0) return 0;
    if (__atomic_compare_exchange_n(words + word, &held, held - taken, 0, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED))
      return taken;
  }
}

#endif
