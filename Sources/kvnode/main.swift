import Foundation
import Glibc
import KVBase
import KVCommand
import KVNodeCore
import KVServer
import Synchronization

// A stop-gap until the command line library is there.
var arguments: [String: String] = [:]
var index = 1
while index + 1 < CommandLine.arguments.count {
  arguments[CommandLine.arguments[index]] = CommandLine.arguments[index + 1]
  index += 2
}
let id = NodeID(UInt32(arguments["--id"] ?? "1") ?? 1)
var members: [NodeConfiguration.Member] = []
for peer in (arguments["--peers"] ?? "\(id.rawValue)=127.0.0.1:\(7400 + id.rawValue)").split(
  separator: ",")
{
  let parts = peer.split(separator: "=")
  members.append(.init(node: NodeID(UInt32(parts[0])!), address: String(parts[1])))
}
var node = NodeConfiguration(node: id, members: members, incarnation: 0)
node.software = "dev"
if arguments["--linearizable-reads"] == "lease" { node.linearizableReads = .lease }
let configuration = ServerConfiguration(
  node: node, dataDirectory: arguments["--data-dir"] ?? "./kvnode-\(id.rawValue)",
  listen: arguments["--listen"] ?? "127.0.0.1:\(7400 + id.rawValue)")
do {
  let server = try Server(configuration) { line in
    FileHandle.standardError.write(Data(("kvnode \(id.rawValue): \(line)\n").utf8))
  } onStop: { problem in
    if let problem { FileHandle.standardError.write(Data(("kvnode: \(problem)\n").utf8)) }
    exit(problem == nil ? 0 : 1)
  }
  server.join()
  sleep(1)
} catch {
  FileHandle.standardError.write(Data(("kvnode: \(error)\n").utf8))
  exit(1)
}
