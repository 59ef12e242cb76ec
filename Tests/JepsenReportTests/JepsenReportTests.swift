import Testing

@testable import JepsenReport
