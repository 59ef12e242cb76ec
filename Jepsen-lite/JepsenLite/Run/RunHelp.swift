/// What `jepsen-lite run --help` says.
enum RunHelp {
  static let options = """
    usage: jepsen-lite run --out DIR [options]
    Starts nodes as processes of this machine, loads them through proxies, injects
    faults, and judges what clients saw. DIR receives report.html, report.txt,
    summary.json, junit.xml, row.md, history.jsonl, faults.jsonl, and the nodes'
    logs.
      --workload W     what clients do (register); see below
      --nemesis N,…    what goes wrong (none); see below
      --seconds S      how long the load lasts (60)
      --rate N         operations a second of all clients; 0: no limit (200)
      --clients N      (10)
      --nodes N        (3)
      --seed N         of the load and of the faults (1)
      --keys N         how many keys are in use (depends on the workload)
      --timeout S      of an operation (2)
      --min-rate N     fewer answers a second prove nothing (rate / 5, or 10)
      --system S       kvnode or etcd (kvnode)
      --bin DIR        where the program of the nodes is (beside jepsen-lite)
      --reads K        read-index or lease, for kvnode (read-index)
      --log-keep B     how much log a kvnode keeps, such as 1MiB
      --plant NAME     a fault built into kvnode, for a build that has some
      --force          replace what an earlier run left in DIR
      --keep-data      keep the nodes' data where all went well, too
      --config FILE    lines 'flag = value'; the command line goes first
    exit codes: 0 passed, 1 violated, 2 usage, 3 unknown, 4 invalid run
    """

  static func text(nemeses: [(name: String, text: String, nodes: Int)]) -> String {
    var text = options + "\nworkloads:\n"
    for entry in WorkloadCatalog.all { text += line(entry.name, entry.text) }
    text += "nemeses:\n"
    for nemesis in nemeses {
      let least = nemesis.nodes > 3 ? " (\(nemesis.nodes) nodes)" : ""
      text += line(nemesis.name, nemesis.text + least)
    }
    return String(text.dropLast())
  }

  /// Two columns, the second wrapped, within 80 in all.
  private static func line(_ name: String, _ text: String) -> String {
    let indent = 21
    var lines: [String] = []
    var current = "  " + name
    current += String(repeating: " ", count: max(2, indent - current.count))
    for word in text.split(separator: " ") {
      if current.count + word.count > 79 {
        lines.append(trimmedEnd(current))
        current = String(repeating: " ", count: indent)
      }
      current += word + " "
    }
    lines.append(trimmedEnd(current))
    return lines.joined(separator: "\n") + "\n"
  }

  private static func trimmedEnd(_ text: String) -> String {
    String(text.reversed().drop { $0 == " " }.reversed())
  }
}
