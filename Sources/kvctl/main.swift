import KVCommandLine

// Nothing but a call: closures formed here would belong to the main actor.
await Kvctl.run(Array(CommandLine.arguments.dropFirst())).exit()
