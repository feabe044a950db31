using System.Collections.Immutable;

namespace ActorLb.Configuration.Hocon;

/// <summary>
/// Replaces substitutions by their values ("Substitutions", "Self-Referential Substitutions"), in two phases: first a value's kind is found
/// (<see cref="View"/>) without its inner values, so that objects may refer to their own parts; then the inner values are built.
/// A look-up that meets a value which is itself being looked up uses what was defined before that value.
/// </summary>
internal sealed class HoconResolver(ObjectSyntax root, IReadOnlyDictionary<string, string> environment, HoconFindings findings)
{
    private int _steps;
    private int _stepsAfterError = int.MaxValue;
    private int _nesting;

    public HoconObject Resolve() => (HoconObject)Build(new ObjectView([root]), "");

    /// <summary>Null when the value is undefined.</summary>
    private HoconValue? Build(List<Syntax> layers, string path)
    {
        while (true)
        {
            var at = layers[^1].Position;
            var view = LayersView(layers);
            if (view is null) return null;
            foreach (var layer in layers)
            {
                if (layer is DeferredSyntax { IsBuilding: true } self) throw new ContainsItselfException(self);
            }
            if (++_nesting > HoconLimits.SubstitutionNesting)
            {
                throw new HoconException(at, path, $"nested deeper than {HoconLimits.SubstitutionNesting} levels");
            }
            int depth = _nesting;
            SetBuilding(layers, true);
            try
            {
                return Build(view, path);
            }
            catch (ContainsItselfException e) when (layers.Contains(e.Value) && e.Value.TryWithdraw())
            {
                // Again, without it.
            }
            finally
            {
                SetBuilding(layers, false);
                _nesting = depth - 1;
            }
        }
    }

    private static void SetBuilding(List<Syntax> layers, bool building)
    {
        foreach (var layer in layers) if (layer is DeferredSyntax deferred) deferred.IsBuilding = building;
    }

    private HoconValue Build(View view, string path)
    {
        switch (view)
        {
            case ScalarView scalar: return scalar.Value;
            case ArrayView array:
                var elements = ImmutableArray.CreateBuilder<HoconValue>(array.Elements.Count);
                foreach (var element in array.Elements)
                {
                    Charge(1, element.Position, path);
                    var value = BuildElement(element, HoconPath.Element(path, elements.Count));
                    if (value is not null) elements.Add(value);
                }
                return new HoconArray(array.Position, elements.DrainToImmutable());
            default: return BuildObject((ObjectView)view, path);
        }
    }

    private HoconValue? BuildElement(Syntax element, string path)
    {
        if (element is not AppendedSyntax { Append: { IsBuilding: false } append } appended) return Build([(element as AppendedSyntax)?.Element ?? element], path);
        append.IsBuilding = true;
        try
        {
            return Build([appended.Element], path);
        }
        finally
        {
            append.IsBuilding = false;
        }
    }

    private HoconObject BuildObject(ObjectView view, string path)
    {
        var keys = new OrderedDictionary<string, SourcePosition>();
        foreach (var layer in view.Layers)
        {
            Charge(layer.Fields.Count, layer.Position, path);
            foreach ((string key, var field) in layer.Fields) keys.TryAdd(key, field.KeyPosition);
        }
        var fields = ImmutableArray.CreateBuilder<HoconField>(keys.Count);
        List<Syntax> objects = [.. view.Layers];
        foreach ((string key, var position) in keys)
        {
            bool cycle = false;
            var value = Build(Gather(objects, key, ref cycle), HoconPath.Child(path, key));
            if (value is not null) fields.Add(new HoconField(key, position, value));
        }
        return new HoconObject(view.Layers[0].Position, fields.DrainToImmutable());
    }

    /// <summary>The kind of several definitions, lowest first, merged; null when undefined. Hidden definitions are never
    /// resolved.</summary>
    private View? LayersView(List<Syntax> layers)
    {
        var objects = new List<ObjectSyntax>();
        var appends = new List<AppendSyntax>();
        View? bottom = null;
        for (int i = layers.Count - 1; i >= 0 && bottom is null; i--)
        {
            Charge(1, layers[i].Position, "");
            if (layers[i] is AppendSyntax append)
            {
                // An array, whatever is below it: objects above do not merge with it.
                if (objects.Count > 0) break;
                appends.Add(append);
                continue;
            }
            var view = ViewOf(layers[i]);
            if (view is ObjectView { Layers: var more })
            {
                Charge(more.Count, layers[i].Position, "");
                for (int j = more.Count - 1; j >= 0; j--) objects.Add(more[j]);
            }
            else if (view is not null && objects.Count > 0)
            {
                break;
            }
            else
            {
                bottom = view;
            }
        }
        objects.Reverse();
        if (objects.Count > 0) bottom = new ObjectView(objects);
        return appends.Count == 0 ? bottom : AppendView(appends, bottom);
    }

    /// <param name="appends">Last one first.</param>
    private ArrayView AppendView(List<AppendSyntax> appends, View? below)
    {
        var first = appends[^1];
        var array = below is null ? new ArrayView(first.Position, []) : HoconConcatenation.AsArray(below);
        if (array is null) throw new HoconException(first.Position, first.Path, $"'+=' needs an array before it, not {below!.Kind}");
        List<Syntax> elements = [.. array.Elements];
        for (int i = appends.Count - 1; i >= 0; i--)
        {
            var append = appends[i];
            elements.AddRange(append.IsKnown ? append.Elements : append.Elements.Select(e => new AppendedSyntax(append, e)));
        }
        Charge(elements.Count, first.Position, first.Path);
        return new ArrayView(array.Position, elements);
    }

    private View? ViewOf(Syntax syntax) => syntax switch
    {
        ScalarSyntax scalar => new ScalarView(scalar.Value),
        ArraySyntax array => new ArrayView(array.Position, array.Elements),
        ObjectSyntax fields => new ObjectView([fields]),
        LayeredSyntax layered => LayersView(layered.Layers),
        AppendSyntax append => AppendView([append], null),
        _ => DeferredView((DeferredSyntax)syntax),
    };

    private View? DeferredView(DeferredSyntax deferred)
    {
        if (deferred.IsResolved) return deferred.Resolved;
        if (deferred.IsBusy) throw new HoconException(deferred.Position, deferred.Path, "the value refers to itself");
        if (++_nesting > HoconLimits.SubstitutionNesting)
        {
            throw new HoconException(
                deferred.Position, deferred.Path, $"more than {HoconLimits.SubstitutionNesting} substitutions lead to one another");
        }
        deferred.IsBusy = true;
        deferred.Resolved = deferred is SubstitutionSyntax substitution
            ? Substitute(substitution)
            : Concatenate((ConcatenationSyntax)deferred);
        deferred.IsResolved = true;
        deferred.IsBusy = false;
        _nesting--;
        return deferred.Resolved;
    }

    private View? Concatenate(ConcatenationSyntax concatenation)
    {
        var views = new View?[concatenation.Parts.Count];
        int errors = findings.Errors.Count;
        for (int i = 0; i < views.Length; i++)
        {
            views[i] = ViewOf(concatenation.Parts[i]);
            int size = views[i] switch
            {
                ArrayView array => array.Elements.Count,
                ObjectView objects => objects.Layers.Count,
                ScalarView scalar => 1 + (scalar.Value.Text.Length / 16),
                _ => 1,
            };
            Charge(size, concatenation.Position, concatenation.Path);
        }
        // A value that lacks a part would only cause further errors.
        if (findings.Errors.Count > errors) return null;
        try
        {
            return HoconConcatenation.Join(concatenation, views);
        }
        catch (HoconException e) when (TryPass(e))
        {
            return null;
        }
    }

    /// <summary>
    /// The value at the path from the root of the substitution's own file, else from the root of the whole configuration, else from the
    /// environment ("Include semantics: substitution", "Substitution fallback to environment variables").
    /// </summary>
    private View? Substitute(SubstitutionSyntax substitution)
    {
        bool cycle = false;
        var found = substitution.Prefix is { IsEmpty: false } prefix ? Find([.. prefix, .. substitution.Target], ref cycle) : null;
        found ??= Find(substitution.Target, ref cycle);
        found ??= FromEnvironment(substitution);
        if (found is not null || substitution.IsOptional) return found;
        var undefined = new HoconException(
            substitution.Position, substitution.Path,
            cycle ? $"{substitution.Text} leads back to itself" : $"{substitution.Text} is not defined, neither here nor in the environment");
        return TryPass(undefined) ? null : throw undefined;
    }

    private bool TryPass(HoconException e)
    {
        _stepsAfterError = Math.Min(_stepsAfterError, _steps + HoconLimits.StepsAfterError);
        return findings.TryPass(e);
    }

    private View? Find(ImmutableArray<string> path, ref bool cycle)
    {
        List<Syntax> layers = [root];
        for (int i = 0; i < path.Length; i++)
        {
            layers = Gather(layers, path[i], ref cycle, isTarget: i == path.Length - 1);
            if (layers.Count == 0) return null;
        }
        return LayersView(layers);
    }

    /// <summary>
    /// The definitions of a key in merged objects, lowest first. If one of them is being looked up, it and those above
    /// it are left out.
    /// </summary>
    /// <param name="isTarget">The key is the one that a substitution names: it does not mean the value that contains the
    /// substitution.</param>
    private List<Syntax> Gather(List<Syntax> objects, string key, ref bool cycle, bool isTarget = false)
    {
        var found = new List<Syntax>();
        for (int i = objects.Count - 1; i >= 0; i--)
        {
            Charge(1, objects[i].Position, "");
            switch (objects[i] is ObjectSyntax ? null : objects[i] is AppendSyntax ? AppendedView : ViewOf(objects[i]))
            {
                case null when objects[i] is ObjectSyntax only:
                    if (!GatherField(only, key, isTarget, found, ref cycle)) goto done;
                    break;
                case null: break;
                case ObjectView view:
                    for (int j = view.Layers.Count - 1; j >= 0; j--)
                    {
                        if (!GatherField(view.Layers[j], key, isTarget, found, ref cycle)) goto done;
                    }
                    break;
                default: goto done;
            }
        }
    done:
        found.Reverse();
        return found;
    }

    /// <summary>A value that is appended to is an array, whatever its elements: no key leads into it.</summary>
    private static readonly View AppendedView = new ArrayView(SourcePosition.None, []);

    /// <summary>False when what is below is hidden.</summary>
    private bool GatherField(ObjectSyntax fields, string key, bool isTarget, List<Syntax> found, ref bool cycle)
    {
        Charge(1, fields.Position, "");
        if (!fields.Fields.TryGetValue(key, out var field)) return true;
        for (int i = field.Layers.Count - 1; i >= 0; i--)
        {
            var layer = field.Layers[i];
            if (layer is DeferredSyntax { IsBusy: true } || (isTarget && layer is ConcatenationSyntax { IsBuilding: true } or AppendSyntax { IsBuilding: true }))
            {
                found.Clear();
                cycle = true;
                continue;
            }
            Charge(1, layer.Position, "");
            found.Add(layer);
            if (layer is ScalarSyntax or ArraySyntax) return false;
        }
        return true;
    }

    private View? FromEnvironment(SubstitutionSyntax substitution)
    {
        string name = string.Join('.', substitution.Target);
        if (!substitution.IsList) return environment.TryGetValue(name, out string? value) ? new ScalarView(Text(value)) : null;
        var elements = new List<Syntax>();
        while (environment.TryGetValue($"{name}_{elements.Count}", out string? element)) elements.Add(new ScalarSyntax(Text(element)));
        return elements.Count == 0 ? null : new ArrayView(substitution.Position, elements);

        HoconScalar Text(string value) => new(substitution.Position, ScalarKind.String, value);
    }

    /// <summary>A value would contain itself: an error, unless the substitution is optional.</summary>
    private sealed class ContainsItselfException(DeferredSyntax value) : HoconException(value.Position, value.Path, "the value contains itself")
    {
        public DeferredSyntax Value { get; } = value;
    }

    private void Charge(int cost, SourcePosition position, string path)
    {
        _steps += cost;
        if (_steps > _stepsAfterError) throw new HoconGivenUpException(position, path);
        if (_steps > HoconLimits.Steps) throw new HoconException(position, path, "the substitutions multiply without end");
    }
}
