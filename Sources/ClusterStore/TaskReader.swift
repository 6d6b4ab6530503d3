import ClusterModel
import JSON

/// Reads tasks from their texts. Most of a text is the template, which a service's tasks have alike: it is read once.
struct TaskReader {
    /// What stands in the place of a template that is known.
    private static let placeholder = Array(#"{"forceUpdate":0}"#.utf8)

    private var templates: [String: SharedValue<TaskTemplate>] = [:]

    mutating func task(_ text: [UInt8]) throws(JSONError) -> TaskObject {
        guard let place = JSONValue.place(of: "spec", inObject: text) else {
            return try JSONCoding.decode(TaskObject.self, from: text)
        }
        let template = try template(String(decoding: text[place], as: UTF8.self))
        var rest = text
        rest.replaceSubrange(place, with: Self.placeholder)
        var task = try JSONCoding.decode(TaskObject.self, from: rest)
        task.$spec = template
        return task
    }

    private mutating func template(_ text: String) throws(JSONError) -> SharedValue<TaskTemplate> {
        if let known = templates[text] { return known }
        do throws(JSONError) {
            let template = try JSONCoding.decode(SharedValue<TaskTemplate>.self, from: Array(text.utf8))
            templates[text] = template
            return template
        } catch {
            throw JSONError(error.reason, path: error.path.isEmpty ? "spec" : "spec." + error.path)
        }
    }
}
