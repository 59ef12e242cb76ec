#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fault_control.h"

#ifdef __linux__
#include <sys/mman.h>

int fault_make_memory(const char *name) { return memfd_create(name, MFD_CLOEXEC); }
#else
int fault_make_memory(const char *name) {
  (void)name;
  return -1;
}
#endif
