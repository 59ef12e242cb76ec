/// The look of a page; in the page, so that one file is all.
enum Style {
  static let css = """
    :root { color-scheme: light dark; --ink: #1d2329; --soft: #5d6872; --paper: #ffffff;
      --box: #f5f7f9; --rule: #dfe4e9; --ok: #2f7fb8; --unknown: #e0a100; --refused: #c9483c;
      --fault: #d9534f; --leader: #1f6f8b; --follower: #9cc5d6; --paused: #e0a100;
      --down: #b23b3b; --good: #1f8a4c; --bad: #c0342b; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6ebef; --soft: #9aa7b2;
      --paper: #14181c; --box: #1c2227; --rule: #313a42; --ok: #58a6dd; --follower: #3f6675;
      --leader: #63b9d6; } }
    * { box-sizing: border-box; }
    body { margin: 0 auto; max-width: 1120px; padding: 24px 28px 60px; color: var(--ink);
      background: var(--paper); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
    h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 34px 0 8px; }
    p { margin: 6px 0; } .soft { color: var(--soft); }
    code, pre { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
    pre { background: var(--box); padding: 10px 12px; border-radius: 6px; overflow-x: auto;
      white-space: pre-wrap; }
    .badge { display: inline-block; padding: 1px 10px; border-radius: 11px; color: #fff;
      font-weight: 600; font-size: 13px; background: var(--soft); white-space: nowrap; }
    .badge.passed { background: var(--good); } .badge.violated { background: var(--bad); }
    .badge.unknown, .badge.invalid { background: #a86f00; }
    .cards { display: flex; flex-wrap: wrap; gap: 10px; margin: 16px 0; }
    .card { background: var(--box); border-radius: 8px; padding: 8px 14px; min-width: 120px; }
    .card b { display: block; font-size: 19px; font-weight: 600; }
    .card span { color: var(--soft); font-size: 13px; }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-size: 14px; }
    th { text-align: left; color: var(--soft); font-weight: 600; font-size: 13px; }
    th, td { overflow-wrap: anywhere; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--rule);
      vertical-align: top; } td.n, th.n { text-align: right; white-space: nowrap; }
    td.w { white-space: nowrap; }
    svg { width: 100%; height: auto; display: block; }
    svg text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: var(--soft); }
    svg text.name, svg text.operation-name { fill: var(--ink); }
    svg text.name { font-weight: 600; font-size: 12px; }
    svg text.fault-name { fill: var(--fault); font-size: 10px; }
    .grid { stroke: var(--rule); stroke-width: 1; }
    .fault { fill: var(--fault); opacity: 0.16; } .fault.idle { opacity: 0.06; }
    .bar.ok { fill: var(--ok); } .bar.unknown { fill: var(--unknown); }
    .bar.refused { fill: var(--refused); }
    .line { fill: none; stroke-width: 1.4; } .line.median { stroke: var(--ok); }
    .line.high { stroke: var(--unknown); } .line.longest { stroke: var(--refused);
      opacity: 0.55; }
    .state { rx: 3; } .state.leader { fill: var(--leader); }
    .state.follower, .state.running { fill: var(--follower); }
    .state.paused { fill: var(--paused); } .state.down { fill: var(--down); opacity: 0.55; }
    .operation { rx: 3; stroke-width: 1; } .operation.other { fill: var(--soft); opacity: 0.16; }
    .operation.reading { fill: #58a6dd66; stroke: #2f7fb8; }
    .operation.writing { fill: #3fae6a66; stroke: #1f8a4c; }
    .operation.unknown { fill: #e0a10055; stroke: #e0a100; stroke-dasharray: 4 3; }
    .operation.refused { fill: #c9483c33; stroke: #c9483c; }
    .key { font-size: 13px; color: var(--soft); margin: 2px 0 6px; }
    .key i { display: inline-block; width: 11px; height: 11px; border-radius: 3px;
      margin: 0 5px 0 14px; vertical-align: -1px; } .key i:first-child { margin-left: 0; }
    ol { margin: 8px 0; padding-left: 24px; }
    """
}
