package import KVBase

/// A change of one key's record: the one home of what a mutation is.
///
/// Everything that a kind of mutation is stands in a file of its own (`KeyMutation+Put.swift`, …):
/// its fields, their bytes, its limits, what it needs, and its effect. This file says which kinds
/// there are and sends each question to the kind's own answer. The layers above carry a
/// `KeyMutation` without asking which it is: `ClientOperation.mutate`, `CommandBody.mutate`, the
/// router of a node (`Command.target`), and `StateMachines.apply`, which reads the record where
/// `needsRecord` says so, asks for the `effect`, and writes it. What a mutation answers is a case
/// of `CommandResult`, and what a client may conclude from that is its `conclusion`.
///
/// ARCHITECTURE.md, "Adding a mutation", lists the files that a new kind changes.
package enum KeyMutation: Hashable, Sendable {
  case put(Put)
  case delete(Delete)
  case add(Add)
  case append(Append)

  /// The byte that says which kind follows, in a command's bytes; 16 and above are commands that
  /// are not about one key. The name stands in sentences.
  package enum Kind: UInt8, Sendable, CaseIterable {
    case put = 1
    case delete = 2
    case add = 3
    case append = 4
  }

  package var kind: Kind {
    switch self {
    case .put: .put
    case .delete: .delete
    case .add: .add
    case .append: .append
    }
  }

  package var name: String { "\(kind)" }

  func encode(into writer: inout ByteWriter) {
    switch self {
    case .put(let put): put.encode(into: &writer)
    case .delete(let delete): delete.encode(into: &writer)
    case .add(let add): add.encode(into: &writer)
    case .append(let append): append.encode(into: &writer)
    }
  }

  init(_ kind: Kind, from reader: inout ByteReader) throws(WireError) {
    switch kind {
    case .put: self = .put(try Put(from: &reader))
    case .delete: self = .delete(try Delete(from: &reader))
    case .add: self = .add(try Add(from: &reader))
    case .append: self = .append(try Append(from: &reader))
    }
  }

  /// Why no node would accept it: a sentence, or `nil`.
  package var problem: String? {
    switch self {
    case .put(let put): put.problem
    case .delete(let delete): delete.problem
    case .add(let add): add.problem
    case .append(let append): append.problem
    }
  }

  /// Whether the effect depends on the record that is there. An unconditional put reads nothing.
  package var needsRecord: Bool {
    switch self {
    case .put(let put): put.needsRecord
    case .delete(let delete): delete.needsRecord
    case .add(let add): add.needsRecord
    case .append(let append): append.needsRecord
    }
  }

  /// Whether it has a meaning only where all replicas apply the same mutations in the same order. A
  /// keyspace of mode `ap` has no such order, and refuses it.
  package var needsConsensus: Bool {
    switch self {
    case .put(let put): put.needsConsensus
    case .delete(let delete): delete.needsConsensus
    case .add(let add): add.needsConsensus
    case .append(let append): append.needsConsensus
    }
  }

  /// What it does to `current`, the key's record (`nil`: absent; also where `needsRecord` is
  /// false), as the entry at `index`. Pure: equal on all replicas.
  package func effect(on current: Record?, at index: LogIndex) -> MutationEffect {
    switch self {
    case .put(let put): put.effect(on: current, at: index)
    case .delete(let delete): delete.effect(on: current, at: index)
    case .add(let add): add.effect(on: current, at: index)
    case .append(let append): append.effect(on: current, at: index)
    }
  }
}

/// What every kind of mutation says of itself; `KeyMutation` says what each member means.
protocol KeyMutationKind: Hashable, Sendable {
  /// The fields, after the keyspace and the key.
  func encode(into writer: inout ByteWriter)
  init(from reader: inout ByteReader) throws(WireError)
  var problem: String? { get }
  var needsRecord: Bool { get }
  var needsConsensus: Bool { get }
  func effect(on current: Record?, at index: LogIndex) -> MutationEffect
}

/// What a mutation does to its key's record, and what it answers.
package struct MutationEffect: Hashable, Sendable {
  package enum Change: Hashable, Sendable {
    case none
    /// The record has this value from now on, and the entry's index as its version.
    case put(value: Bytes)
    case delete
  }

  package var change: Change
  package var result: CommandResult

  init(_ change: Change, _ result: CommandResult) {
    self.change = change
    self.result = result
  }
}
