import KVCommandLine

// Nothing but a call: closures formed here would belong to the main actor.
Bench.run(Array(CommandLine.arguments.dropFirst())).exit()
