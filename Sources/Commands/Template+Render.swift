import JSON

extension Template {
    /// What a row of a list holds beside its fields, for `.Label "name"`.
    static let labelsMember = "$labels"

    /// Fills the template with a value.
    func render(_ value: JSONValue) throws(TemplateError) -> String {
        var renderer = TemplateRenderer(root: value)
        try renderer.run(nodes, dot: value)
        return renderer.output
    }
}

/// Fills a template.
struct TemplateRenderer {
    /// A value, or that there is none and why.
    private enum Outcome {
        case value(JSONValue)
        case missing(TemplateError)

        func get() throws(TemplateError) -> JSONValue {
            switch self {
            case .value(let value): return value
            case .missing(let error): throw error
            }
        }
    }

    private(set) var output = ""
    private var variables: [(name: String, value: JSONValue)]

    init(root: JSONValue) { variables = [("", root)] }

    mutating func run(_ nodes: [Template.Node], dot: JSONValue) throws(TemplateError) {
        let depth = variables.count
        for node in nodes {
            switch node {
            case .text(let text): output += text
            case .output(let pipeline): output += TemplateFunctions.text(try evaluate(pipeline, dot).get())
            case .assignment(let name, let pipeline, let declares):
                let value = try evaluate(pipeline, dot).get()
                if declares {
                    variables.append((name, value))
                } else if let index = variables.lastIndex(where: { $0.name == name }) {
                    variables[index].value = value
                } else {
                    throw TemplateError("template: :1: undefined variable \"$\(name)\"")
                }
            case .condition(let pipeline, let then, let otherwise):
                try run(isTrue(try evaluate(pipeline, dot)) ? then : otherwise, dot: dot)
            case .with(let pipeline, let then, let otherwise):
                let outcome = try evaluate(pipeline, dot)
                if isTrue(outcome) { try run(then, dot: try outcome.get()) } else { try run(otherwise, dot: dot) }
            case .range(let pipeline, let names, let body, let otherwise):
                try range(pipeline, names, body, otherwise, dot)
            }
        }
        variables.removeLast(variables.count - depth)
    }

    private mutating func range(
        _ pipeline: Template.Pipeline, _ names: [String], _ body: [Template.Node], _ otherwise: [Template.Node],
        _ dot: JSONValue
    ) throws(TemplateError) {
        var elements: [(key: JSONValue, value: JSONValue)] = []
        switch try evaluate(pipeline, dot).get() {
        case .null: break
        case .array(let array): elements = array.enumerated().map { (.integer(Int64($0.offset)), $0.element) }
        case .object(let members): elements = members.sorted { $0.key < $1.key }.map { (.string($0.key), $0.value) }
        case .integer(let count) where count < 1 << 20:
            elements = (0..<max(0, count)).map { (.integer($0), .integer($0)) }
        case let other: throw TemplateError("range can't iterate over \(TemplateFunctions.text(other))")
        }
        if elements.isEmpty { return try run(otherwise, dot: dot) }
        for (key, value) in elements {
            let depth = variables.count
            if names.count == 1 { variables.append((names[0], value)) }
            if names.count == 2 {
                variables.append((names[0], key))
                variables.append((names[1], value))
            }
            try run(body, dot: value)
            variables.removeLast(variables.count - depth)
        }
    }

    private func isTrue(_ outcome: Outcome) -> Bool {
        if case .value(let value) = outcome { TemplateFunctions.isTrue(value) } else { false }
    }

    private func evaluate(_ pipeline: Template.Pipeline, _ dot: JSONValue) throws(TemplateError) -> Outcome {
        var piped: JSONValue?
        var outcome = Outcome.value(.null)
        for (position, call) in pipeline.calls.enumerated() {
            outcome = try evaluate(call, piped, dot)
            if position + 1 < pipeline.calls.count { piped = try outcome.get() }
        }
        return outcome
    }

    private func evaluate(_ call: Template.Call, _ piped: JSONValue?, _ dot: JSONValue) throws(TemplateError) -> Outcome
    {
        let first = call.operands[0]
        if case .function(let name) = first {
            // The logical functions do not mind what is missing.
            let isLenient = ["and", "or", "not"].contains(name)
            var arguments: [JSONValue] = []
            for operand in call.operands.dropFirst() {
                let outcome = try evaluate(operand, dot, call.text)
                if isLenient, case .missing = outcome {
                    arguments.append(.null)
                } else {
                    arguments.append(try outcome.get())
                }
            }
            if let piped { arguments.append(piped) }
            return .value(try TemplateFunctions.call(name, arguments, text: call.text))
        }
        if case .fields(let base, let names) = first, names.last == "Label", call.operands.count == 2 {
            let holder = try member(of: try evaluate(base, dot, call.text), names.dropLast(), call.text).get()
            let name = try evaluate(call.operands[1], dot, call.text).get()
            return .value(holder[Template.labelsMember]?[name.string ?? ""] ?? "")
        }
        guard call.operands.count == 1, piped == nil else {
            throw TemplateError("template: :1: executing \"\" at <\(call.text)>: can't give argument to non-function")
        }
        return try evaluate(first, dot, call.text)
    }

    private func evaluate(_ operand: Template.Operand, _ dot: JSONValue, _ text: String) throws(TemplateError)
        -> Outcome
    {
        switch operand {
        case .dot: return .value(dot)
        case .literal(let value): return .value(value)
        case .variable(let name):
            guard let variable = variables.last(where: { $0.name == name }) else {
                throw TemplateError("template: :1: undefined variable \"$\(name)\"")
            }
            return .value(variable.value)
        case .function(let name): return .value(try TemplateFunctions.call(name, [], text: text))
        case .pipeline(let pipeline): return try evaluate(pipeline, dot)
        case .fields(let base, let names): return try member(of: try evaluate(base, dot, text), names[...], text)
        }
    }

    private func member(
        of outcome: Outcome, _ names: ArraySlice<String>, _ text: String
    ) throws(TemplateError) -> Outcome {
        guard case .value(var value) = outcome else { return outcome }
        for name in names {
            switch value {
            case .object(let members):
                guard let next = members[name] else {
                    return .missing(
                        TemplateError("template: :1: executing \"\" at <\(text)>: map has no entry for key \"\(name)\"")
                    )
                }
                value = next
            case .null:
                return .missing(
                    TemplateError("template: :1: executing \"\" at <\(text)>: nil data; no entry for key \"\(name)\""))
            default:
                throw TemplateError(
                    "template: :1: executing \"\" at <\(text)>: can't evaluate field \(name) in "
                        + "\"\(TemplateFunctions.text(value))\""
                )
            }
        }
        return .value(value)
    }
}
