/// Where the fault library keeps what it shares.
enum FaultFiles {}
