// A Unity player that draws for simtailor (renderer: unity_mlagents), see docs/unity.md.
//
// NEVER COMPILED: it was written without Unity at hand, against the documentation of the package
// com.unity.ml-agents (2.x or 3.x) and of com.unity.nuget.newtonsoft-json. Tell us what you had
// to change.
//
// Put this component on the camera that draws. Its Behavior Parameters: name MetaSim, no vector
// observations, one continuous action, Behavior Type Default. No Decision Requester.

using System;
using System.Collections.Generic;
using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using Unity.MLAgents;
using Unity.MLAgents.Actuators;
using Unity.MLAgents.Sensors;
using Unity.MLAgents.SideChannels;
using UnityEngine;

/// Messages as UTF-8 JSON, version 1:
///   to here:  {"v": 1, "seq": 7, "seed": 5, "graph": {"nodes": [...], "links": [...]}}
///   from here: {"v": 1, "seq": 7, "labels": {...}} or {"v": 1, "seq": 7, "error": "text"}
public class SceneGraphChannel : SideChannel
{
    readonly Func<JObject, int, JObject> apply;

    public SceneGraphChannel(Func<JObject, int, JObject> apply)
    {
        ChannelId = new Guid("5f3c1d0e-0d1b-4d55-9a51-6d2b7a3f9e10");
        this.apply = apply;
    }

    protected override void OnMessageReceived(IncomingMessage message)
    {
        var scene = JObject.Parse(Encoding.UTF8.GetString(message.GetRawBytes()));
        var answer = new JObject { ["v"] = 1, ["seq"] = scene["seq"] };
        try
        {
            answer["labels"] = apply((JObject)scene["graph"], (int)scene["seed"]);
        }
        catch (Exception error)
        {
            answer["error"] = error.Message;
        }
        var outgoing = new OutgoingMessage();
        outgoing.SetRawBytes(Encoding.UTF8.GetBytes(answer.ToString(Formatting.None)));
        QueueMessageToSend(outgoing);
    }
}

[RequireComponent(typeof(Camera))]
public class SceneGraphAgent : Agent
{
    [Tooltip("By the class number of the grammar's object.")]
    public GameObject[] objects;
    public Light sceneLight;
    [Tooltip("What the camera looks at.")]
    public Transform middle;
    [Tooltip("Intensity of the light at 0.5 in the grammar.")]
    public float nominalIntensity = 1f;

    SceneGraphChannel channel;

    protected override void Awake()
    {
        // The sensor has to be there before the agent is, since its size is fixed from then on.
        int size = Argument("--image-size", 128);
        var sensor = gameObject.AddComponent<CameraSensorComponent>();
        sensor.Camera = GetComponent<Camera>();
        sensor.SensorName = "CameraSensor";
        sensor.Width = size;
        sensor.Height = size;
        sensor.CompressionType = SensorCompressionType.PNG;
        channel = new SceneGraphChannel(Apply);
        SideChannelManager.RegisterSideChannel(channel);
        base.Awake();
    }

    void OnDestroy()
    {
        SideChannelManager.UnregisterSideChannel(channel);
    }

    // One picture for each step of the Academy. It is drawn after the scene was changed.
    void FixedUpdate()
    {
        RequestDecision();
    }

    public override void OnActionReceived(ActionBuffers actions) { }

    /// Put everything where the graph says. Change this for your own attributes.
    JObject Apply(JObject graph, int seed)
    {
        UnityEngine.Random.InitState(seed);
        var labels = new JObject();
        foreach (JObject node in graph["nodes"])
        {
            var values = (JObject)node["attr"];
            if (node["cls"].Type == JTokenType.Integer)
                Place((int)node["cls"], values);
            else if ((string)node["cls"] == "Light")
                sceneLight.intensity = 2 * nominalIntensity * Value(values, "intensity", 0.5f);
            else if ((string)node["cls"] == "Camera")
                Look(Value(values, "camera_pitch", 90), Value(values, "camera_roll", 0));
            foreach (KeyValuePair<string, JToken> entry in values)
                if (values.ContainsKey(entry.Key + "_max"))
                    labels[entry.Key] = entry.Value;
        }
        return labels;
    }

    /// Degrees, and centimetres of which (100, 100) is the middle.
    void Place(int kind, JObject values)
    {
        if (kind < 0 || kind >= objects.Length)
            throw new ArgumentException($"no object {kind}; there are {objects.Length}");
        for (int i = 0; i < objects.Length; i++)
            objects[i].SetActive(i == kind);
        float right = Value(values, "loc_x", 100) / 100 - 1;
        float forward = Value(values, "loc_z", 100) / 100 - 1;
        var turn = Quaternion.Euler(
            Value(values, "pitch", 0), Value(values, "yaw", 0), Value(values, "roll", 0));
        objects[kind].transform.SetPositionAndRotation(
            middle.position + new Vector3(right, 0, forward), turn);
    }

    void Look(float pitch, float roll)
    {
        float distance = Vector3.Distance(transform.position, middle.position);
        transform.rotation = Quaternion.Euler(pitch, 0, roll);
        transform.position = middle.position - distance * transform.forward;
    }

    static float Value(JObject values, string name, float otherwise)
    {
        return values.TryGetValue(name, out JToken found) ? (float)found : otherwise;
    }

    static int Argument(string name, int otherwise)
    {
        string[] given = Environment.GetCommandLineArgs();
        int place = Array.IndexOf(given, name);
        return place >= 0 && place + 1 < given.Length ? int.Parse(given[place + 1]) : otherwise;
    }
}
