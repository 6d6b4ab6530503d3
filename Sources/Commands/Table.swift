/// Text in columns, as docker lays it out: at least 10 wide, three spaces between.
enum Table {
    static let standardWidth = 10
    static let gap = 3

    /// Lines whose cells are divided by tabs; the last cell of a line is not padded.
    static func layOut(_ lines: [String], narrowest: Int = standardWidth) -> String {
        let rows = lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.dropLast().enumerated() {
                let width = max(narrowest, cell.count + gap)
                if column < widths.count { widths[column] = max(widths[column], width) } else { widths.append(width) }
            }
        }
        var text = ""
        for row in rows {
            for (column, cell) in row.enumerated() {
                text += cell
                if column < row.count - 1 { text += String(repeating: " ", count: widths[column] - cell.count) }
            }
            text += "\n"
        }
        return text
    }
}
