internal import Glibc
internal import JepsenFaults
internal import KVBase

/// A bit that was flipped in a file, and what stands around it since.
struct DamagedBit: Sendable {
  private static let reach = 32
  let flip: BitRot.Flip
  private let start: Int
  private let around: [UInt8]

  init(_ flip: BitRot.Flip) {
    self.flip = flip
    start = max(0, flip.offset - Self.reach)
    around = Self.read(flip.file, at: start, count: 2 * Self.reach)
  }

  /// The bit is set right where all around it is as it was when it was flipped. A node that ran
  /// meanwhile may have written the place anew: then nothing is damaged there any more. (The whole
  /// old file would be wrong: it may have grown since.)
  ///
  /// - Returns: whether it was set right.
  func restore() -> Bool {
    guard !around.isEmpty, Self.read(flip.file, at: start, count: 2 * Self.reach) == around else {
      return false
    }
    let right = around[flip.offset - start] ^ UInt8(1 << flip.bit)
    let descriptor = unsafe open(flip.file, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let written = unsafe withUnsafeBytes(of: right) {
      unsafe pwrite(descriptor, $0.baseAddress, 1, off_t(flip.offset))
    }
    return written == 1
      && Self.read(flip.file, at: flip.offset, count: 1) == [right]
  }

  private static func read(_ path: String, at offset: Int, count: Int) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: count)
    let got = unsafe pread(descriptor, &bytes, count, off_t(offset))
    return Array(bytes.prefix(max(got, 0)))
  }
}

extension FaultInjection {
  /// Damages files while their nodes are down, starts them, sees what they make of it, and sets the
  /// bits right again before they run on.
  mutating func flipBits(_ victims: [Int], _ bits: Int) async -> FaultEffect {
    let nodes = victims.map { stage.node($0) }
    _ = await Self.end(nodes)
    begin()
    var parts: [String] = []
    var damage: [[DamagedBit]] = []
    for node in nodes {
      let backup = "\(stage.layout.folder)/before-flips-n\(node.number)"
      do {
        let rot = try BitRot.flip(
          below: stage.layout.directory(of: node.number), of: "", bits: bits, seed: random.next(),
          backup: backup)
        Scratch.remove(backup)
        damage.append(rot.flips.map(DamagedBit.init))
      } catch {
        damage.append([])
        parts.append("n\(node.number): \(error)")
      }
      node.excuse(
        "bits of its files were flipped", expecting: stage.expectedEnds(under: .flippedBits))
    }
    parts += await start(nodes)
    await hold()
    for (at, node) in nodes.enumerated() {
      parts.append(await repair(node, damage[at]))
    }
    parts += await start(nodes)
    finish()
    return FaultEffect(
      what: "\(bits) bits flipped in files of \(NodeChoice.list(victims))", nodes: victims,
      proof: parts.joined(separator: "; "), didBite: damage.allSatisfy { $0.count == bits })
  }

  /// - Returns: what the node made of the damage, and what became of that.
  private func repair(_ node: StageNode, _ damage: [DamagedBit]) async -> String {
    node.notice()
    let reaction =
      node.excusedEnd.map { "refused (\($0): \(node.lastWords))" } ?? "ran with the damage"
    _ = await node.end(by: SIGKILL)
    node.endExcuse()
    let root = stage.layout.directory(of: node.number) + "/"
    let flips = damage.map { bit in
      let path = bit.flip.file
      let short = path.hasPrefix(root) ? String(path.dropFirst(root.count)) : path
      return "\(short)@\(bit.flip.offset)"
    }
    let restored = damage.count { $0.restore() }
    var text = "n\(node.number) had bits flipped at \(flips.joined(separator: ", ")), \(reaction)"
    text += "; \(restored) of \(damage.count) bits found flipped and set right"
    if restored < damage.count { text += ", the node had written over the rest" }
    return text
  }
}
