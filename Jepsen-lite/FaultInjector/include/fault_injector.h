// The library has nothing to call: it stands between a program and libc when it is preloaded, and
// is controlled through the file of fault_control.h. Without its environment it passes every call
// on as it came.
#ifndef FAULT_INJECTOR_H
#define FAULT_INJECTOR_H
#endif
