internal import JepsenHistory

/// A run as a page, as text and as XML.
package enum Report {}
