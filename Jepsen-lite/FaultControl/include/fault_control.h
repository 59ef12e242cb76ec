// What the harness and the library in a node's process share: see FaultInjector.
#ifndef FAULT_CONTROL_H
#define FAULT_CONTROL_H

#define FAULT_CONTROL_VERSION 1

#endif
